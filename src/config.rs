//! The settings that are numbers: `CONFIG GET sluice.*`, `CONFIG SET`, or `loadmodule libsluice.so name value ...`.

use sluice_core::digits;
use sluice_core::grammar::settings;
use sluice_core::limit::bounds::Bounds;
use sluice_core::time::Millis;

use crate::server::{LoadError, Loading, NumericSetting};

static MAX_WAIT_MS: NumericSetting = NumericSetting::new(&settings::MAX_WAIT_MS);
static MAX_DEBT_MS: NumericSetting = NumericSetting::new(&settings::MAX_DEBT_MS);
static MAX_WAITERS: NumericSetting = NumericSetting::new(&settings::MAX_WAITERS);

static MAX_WAITERS_TOTAL: NumericSetting = NumericSetting::new(&settings::MAX_WAITERS_TOTAL);

static SETTINGS: [&NumericSetting; 4] = [&MAX_WAIT_MS, &MAX_DEBT_MS, &MAX_WAITERS, &MAX_WAITERS_TOTAL];

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

/// Takes the words behind the module's path: pairs of a setting's name, with `sluice.` in front or
/// not, and its value.
pub(crate) fn take_arguments<'a>(mut words: impl Iterator<Item = &'a [u8]>) -> Result<(), LoadError> {
    while let Some(word) = words.next() {
        let name = word.strip_prefix(b"sluice.").unwrap_or(word);
        let named = |setting: &&&NumericSetting| name.eq_ignore_ascii_case(setting.is.name.to_bytes());
        if name.eq_ignore_ascii_case(settings::POLICIES.name.to_bytes()) {
            return Err(LoadError::new(POLICIES_ELSEWHERE));
        }
        let Some(setting) = SETTINGS.iter().find(named) else {
            let known: Vec<_> = SETTINGS.iter().map(|setting| setting.is.name.to_string_lossy()).collect();
            return Err(LoadError::new(format!("unknown argument; the settings are: {}", known.join(", "))));
        };
        let value = words.next().and_then(|value| digits::parse_i64(value).ok());
        match value {
            Some(value) if (setting.is.min..=setting.is.max).contains(&value) => setting.set(value),
            _ => {
                let settings::NumberSetting { name, min, max, .. } = setting.is;
                let name = name.to_string_lossy();
                return Err(LoadError::new(format!("{name} needs a number from {min} to {max}")));
            }
        }
    }
    Ok(())
}

/// Servers that rewrite their configuration write arguments without quotes, and would not start again.
const POLICIES_ELSEWHERE: &str = "policies cannot be an argument; it belongs into the server's configuration file, \
                                  in quotes: sluice.policies \"name LIMIT ...; name LIMIT ...\"";

/// Registers the settings that are numbers with the server.
pub(crate) fn register(server: &Loading<'_>) -> Result<(), LoadError> {
    SETTINGS.into_iter().try_for_each(|setting| server.add_setting(setting))
}
