//! An environment as it is shown.

use std::collections::{BTreeMap, HashSet};

use serde_json::Value;
use thaw_runner::{KEPT_KEY, Metadata};

/// In place of a value that must not be shown.
const REDACTED: &str = "<redacted>";

/// The environment of a VM or snapshot, without the values that BandSox's `mcp` option marked as secret.
pub(crate) fn shown_env(
    mut env: BTreeMap<String, String>,
    metadata: &Metadata,
) -> BTreeMap<String, String> {
    for name in secrets(metadata) {
        if let Some(value) = env.get_mut(name) {
            *value = REDACTED.to_owned();
        }
    }
    env
}

/// Names of variables that hold what must not be shown.
fn secrets(metadata: &Metadata) -> HashSet<&str> {
    let mark = metadata.as_object().get(KEPT_KEY);
    let servers = mark.and_then(|mark| mark.get("mcpServers")?.as_object());
    let variables = servers
        .into_iter()
        .flat_map(|servers| servers.values())
        .filter_map(|server| server.get("env").and_then(Value::as_object));
    variables
        .flat_map(|variables| variables.keys().map(String::as_str))
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_marked_is_not_shown_and_everything_else_is() {
        let env: BTreeMap<String, String> = [("TOKEN", "t0p"), ("COLOUR", "green")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into();
        let mark = json!({ KEPT_KEY: { "mcpServers": { "s": { "env": { "TOKEN": "x" } } } } });
        let mark = Metadata::new(mark.as_object().unwrap().clone()).unwrap();
        let shown = shown_env(env.clone(), &mark);
        assert_eq!((&*shown["TOKEN"], &*shown["COLOUR"]), (REDACTED, "green"));
        assert_eq!(shown_env(env.clone(), &Metadata::default()), env);
    }
}
