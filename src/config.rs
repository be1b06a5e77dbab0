//! The settings that are numbers and switches: `CONFIG GET sluice.*`, `CONFIG SET`, or `loadmodule libsluice.so name value ...`.

use std::ffi::CStr;

use sluice_core::digits;
use sluice_core::grammar::settings;
use sluice_core::limit::bounds::Bounds;
use sluice_core::time::Millis;

use crate::server::{LoadError, Loading, NumericSetting, Switch};

static MAX_WAIT_MS: NumericSetting = NumericSetting::new(&settings::MAX_WAIT_MS);
static MAX_DEBT_MS: NumericSetting = NumericSetting::new(&settings::MAX_DEBT_MS);
static MAX_WAITERS: NumericSetting = NumericSetting::new(&settings::MAX_WAITERS);

static MAX_WAITERS_TOTAL: NumericSetting = NumericSetting::new(&settings::MAX_WAITERS_TOTAL);

static SETTINGS: [&NumericSetting; 4] = [&MAX_WAIT_MS, &MAX_DEBT_MS, &MAX_WAITERS, &MAX_WAITERS_TOTAL];

static THROTTLE: Switch = Switch::new(&settings::THROTTLE);

static TOP: Switch = Switch::new(&settings::TOP);

static SWITCHES: [&Switch; 2] = [&THROTTLE, &TOP];

/// How far ahead of the clock a limit may stand.
pub(crate) fn bounds() -> Bounds {
    let ms = |setting: &NumericSetting| u64::try_from(setting.get()).ok().and_then(Millis::new);
    Bounds { max_wait: ms(&MAX_WAIT_MS).unwrap_or_default(), max_debt: ms(&MAX_DEBT_MS).unwrap_or_default() }
}

/// How many clients may wait for one lock.
pub(crate) fn max_waiters() -> usize {
    usize::try_from(MAX_WAITERS.get()).unwrap_or(0)
}

/// How many clients may wait for locks in all.
pub(crate) fn max_waiters_total() -> usize {
    usize::try_from(MAX_WAITERS_TOTAL.get()).unwrap_or(0)
}

/// Whether there is to be `CL.THROTTLE`.
pub(crate) fn throttle() -> bool {
    THROTTLE.get()
}

/// Whether refusals are counted by key.
#[inline]
pub(crate) fn top() -> bool {
    TOP.get()
}

/// Takes the words behind the module's path: pairs of a setting's name, with `sluice.` in front or
/// not, and its value.
pub(crate) fn take_arguments<'a>(mut words: impl Iterator<Item = &'a [u8]>) -> Result<(), LoadError> {
    while let Some(word) = words.next() {
        let name = word.strip_prefix(b"sluice.").unwrap_or(word);
        let is = |known: &CStr| name.eq_ignore_ascii_case(known.to_bytes());
        if is(settings::POLICIES.name) {
            return Err(LoadError::new(POLICIES_ELSEWHERE));
        } else if let Some(setting) = SETTINGS.iter().find(|setting| is(setting.is.name)) {
            take_number(setting, words.next())?;
        } else if let Some(switch) = SWITCHES.iter().find(|switch| is(switch.is.name)) {
            take_switch(switch, words.next())?;
        } else {
            let numbers = SETTINGS.iter().map(|setting| setting.is.name);
            let known = numbers.chain(SWITCHES.iter().map(|switch| switch.is.name));
            let known: Vec<_> = known.map(CStr::to_string_lossy).collect();
            return Err(LoadError::new(format!("unknown argument; the settings are: {}", known.join(", "))));
        }
    }
    Ok(())
}

fn take_number(setting: &NumericSetting, word: Option<&[u8]>) -> Result<(), LoadError> {
    let settings::NumberSetting { name, min, max, .. } = setting.is;
    match word.and_then(|word| digits::parse_i64(word).ok()) {
        Some(value) if (*min..=*max).contains(&value) => setting.set(value),
        _ => {
            let name = name.to_string_lossy();
            return Err(LoadError::new(format!("{name} needs a number from {min} to {max}")));
        }
    }
    Ok(())
}

fn take_switch(switch: &Switch, word: Option<&[u8]>) -> Result<(), LoadError> {
    match word {
        Some(word) if word.eq_ignore_ascii_case(b"yes") => switch.set(true),
        Some(word) if word.eq_ignore_ascii_case(b"no") => switch.set(false),
        _ => return Err(LoadError::new(format!("{} needs yes or no", switch.is.name.to_string_lossy()))),
    }
    Ok(())
}

/// Servers that rewrite their configuration write arguments without quotes, and would not start again.
const POLICIES_ELSEWHERE: &str = "policies cannot be an argument; it belongs into the server's configuration file, \
                                  in quotes: sluice.policies \"name LIMIT ...; name LIMIT ...\"";

/// Registers them with the server.
pub(crate) fn register(server: &Loading<'_>) -> Result<(), LoadError> {
    SETTINGS.into_iter().try_for_each(|setting| server.add_setting(setting))?;
    SWITCHES.into_iter().try_for_each(|switch| server.add_switch(switch))
}
