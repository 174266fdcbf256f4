//! What somebody needs who desires something of a device: its software and the rest of its state are two operations.

use refit_protocol::diff::SOFTWARE_URL;
use serde_json::{Map, Value};

use crate::matrix::Operation;

/// Returns what a patch of the desired state needs. One that writes nothing needs what writing needs.
pub fn needs(desired: &Map<String, Value>) -> impl Iterator<Item = Operation> {
    let software = desired.contains_key(SOFTWARE_URL);
    let state = !software || desired.len() > 1;
    let software = software.then_some(Operation::SoftwareAssign);
    let state = state.then_some(Operation::StateWrite);
    software.into_iter().chain(state)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn software_and_state_are_needed_apart() {
        for (patch, expected) in [
            ("{}", "state:write"),
            (r#"{"a":1}"#, "state:write"),
            (r#"{"softwareURL":"x"}"#, "software:assign"),
            (r#"{"softwareURL":null}"#, "software:assign"),
            (
                r#"{"softwareURL":"x","a":1}"#,
                "software:assign state:write",
            ),
        ] {
            let patch_read = serde_json::from_str(patch).unwrap();
            let found: Vec<&str> = needs(&patch_read).map(Operation::as_str).collect();
            assert_eq!(found.join(" "), expected, "{patch}");
        }
    }
}
