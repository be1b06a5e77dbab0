//! The setting `sluice.policies`: the whole table as one text.

use std::ffi::CString;

use sluice_core::grammar::{names, settings};

use super::{announce, table};
use crate::server::{LoadError, Loading, TextSetting};

static POLICIES: TextSetting = TextSetting::new(&settings::POLICIES, table::text, write);

fn write(text: &[u8]) -> Result<(), CString> {
    // The server puts its own words in front, and ours name no command.
    table::replace(text).map_err(|error| error.text(names::RATELIMIT_POLICY_REPLACE))?;
    announce::soon();
    Ok(())
}

/// Registers the setting with the server.
pub(crate) fn register(server: &Loading<'_>) -> Result<(), LoadError> {
    server.add_text_setting(&POLICIES)
}
