//! Events of one record, merged into one call.

use std::collections::HashMap;

use serde::Serialize;
use serde_json::{Map, Value};

/// Something that happened to a record: the fields that it set.
pub(crate) struct Event {
    pub(crate) id: i64,
    pub(crate) record: String,
    pub(crate) fields: Map<String, Value>,
    /// How many calls with it have failed.
    pub(crate) tries: u32,
}

/// One call. The partner tells a repeated call by the events' ids.
#[derive(Serialize)]
pub(crate) struct Delivery {
    pub(crate) record: String,
    /// The newest value of each field.
    pub(crate) fields: Map<String, Value>,
    /// The ids of the events in it, oldest first.
    pub(crate) events: Vec<i64>,
    #[serde(skip)]
    tries: u32,
}

/// One delivery for each record, of events that come oldest first. What has failed least comes first, so
/// that a record that the partner stumbles over does not hold the others up; beyond that the order is
/// that of each record's oldest event.
pub(crate) fn merge(events: impl IntoIterator<Item = Event>) -> Vec<Delivery> {
    let mut deliveries: Vec<Delivery> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    for Event { id, record, fields, tries } in events {
        match places.get(&record).and_then(|place| deliveries.get_mut(*place)) {
            Some(delivery) => {
                delivery.fields.extend(fields);
                delivery.events.push(id);
                delivery.tries = delivery.tries.max(tries);
            }
            None => {
                places.insert(record.clone(), deliveries.len());
                deliveries.push(Delivery { record, fields, events: vec![id], tries });
            }
        }
    }
    deliveries.sort_by_key(|delivery| delivery.tries);
    deliveries
}
