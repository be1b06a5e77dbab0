//! The section `policies` of INFO.

use std::ffi::CString;

use sluice_core::policy::text;

use super::table;
use crate::server::InfoFields;

/// Writes the section: a line for each policy, how many there are, and a sum by which nodes can be compared.
pub(crate) fn write(fields: &InfoFields) {
    let counts = table::counts();
    fields.number(c"policies", counts.len() as u64);
    fields.number(c"policies_sum", text::sum(&table::text()));
    for (name, counts) in counts {
        let Ok(name) = CString::new(format!("policy_{name}")) else { continue };
        let parts = [(c"granted", counts.granted), (c"refused", counts.refused), (c"shadow", counts.shadow)];
        fields.numbers(&name, &parts);
    }
}
