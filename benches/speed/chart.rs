//! The throughput of one server as bars, to be seen at a glance, on a light page and on a dark one.

use std::path::Path;

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::results::ServerResults;
use crate::setting::Setting;

const WIDTH: i32 = 860;
const ROW: i32 = 26;
const HEAD: i32 = 58;
const NAMES: i32 = 270;
const BARS: i32 = 480;

// Mid-tones: they stand out from white and from black.
const OURS: RGBColor = RGBColor(0x1f, 0x8a, 0xc0);
const OTHERS: RGBColor = RGBColor(0x8c, 0x93, 0x9d);
const TEXT: RGBColor = RGBColor(0x7a, 0x82, 0x8c);

/// Draws the first setting of a server: a bar for each operation.
pub(crate) fn draw(file: &Path, server: &ServerResults) -> Result<(), String> {
    let bars: Vec<_> = server
        .setting(Setting::Pipeline)
        .into_iter()
        .flat_map(|setting| &setting.measured)
        // Nobody has to choose between it and another, and its bar would dwarf all others.
        .filter(|it| it.name != "PING")
        .map(|it| (it.name.as_str(), it.summary(|pass| pass.a_second()).median / 1000.0))
        .collect();
    let most = bars.iter().map(|(_, value)| *value).fold(1.0, f64::max);
    let height = HEAD + ROW * bars.len() as i32 + 8;
    let area = SVGBackend::new(file, (WIDTH as u32, height as u32)).into_drawing_area();
    let style =
        |size: i32, hpos| ("sans-serif", size).into_font().color(&TEXT).pos(Pos::new(hpos, VPos::Center));
    let title = format!("{}: thousand operations a second", server.name);
    let rows = || -> Result<(), DrawingAreaErrorKind<std::io::Error>> {
        area.draw(&Text::new(title, (8, 18), style(20, HPos::Left)))?;
        let terms = format!("{}, one server process; longer is faster", Setting::Pipeline.title());
        area.draw(&Text::new(terms, (8, 40), style(16, HPos::Left)))?;
        for (row, (name, value)) in bars.iter().enumerate() {
            let top = HEAD + ROW * row as i32;
            let middle = top + ROW / 2;
            let end = NAMES + (f64::from(BARS) * value / most).round() as i32;
            let ours = name.starts_with("RATELIMIT") || name.starts_with("LOCK");
            let color = if ours { OURS } else { OTHERS };
            area.draw(&Text::new(*name, (NAMES - 8, middle), style(16, HPos::Right)))?;
            area.draw(&Rectangle::new([(NAMES, top + 4), (end, top + ROW - 4)], color.filled()))?;
            area.draw(&Text::new(format!("{value:.0}"), (end + 8, middle), style(16, HPos::Left)))?;
        }
        area.present()
    };
    rows().map_err(|error| format!("{}: {error}", file.display()))
}
