//! BandSox's `mcp` option: which Model Context Protocol servers a coding agent in the VM may start.
//!
//! The servers are written to `/workspace/.mcp.json`, where such an agent looks for a project's servers.
//! A server is one of BandSox's known ones with its parameters, or any other by `{"spec": {"command": …}}`.

use serde_json::{Map, Value, json};

/// Where the configuration is written in the guest.
pub(super) const PATH: &str = "/workspace/.mcp.json";

/// A known server: how it is started, and which parameter becomes which variable.
struct Known {
    name: &'static str,
    command: &'static str,
    args: &'static [&'static str],
    variables: &'static [(&'static str, &'static str)],
}

/// The servers that BandSox 3.5 knows by name.
const KNOWN: [Known; 5] = [
    Known {
        name: "browserbase",
        command: "npx",
        args: &["-y", "@browserbasehq/mcp"],
        variables: &[
            ("apiKey", "BROWSERBASE_API_KEY"),
            ("projectId", "BROWSERBASE_PROJECT_ID"),
        ],
    },
    Known {
        name: "fetch",
        command: "uvx",
        args: &["mcp-server-fetch"],
        variables: &[],
    },
    Known {
        name: "filesystem",
        command: "npx",
        args: &["-y", "@modelcontextprotocol/server-filesystem"],
        variables: &[],
    },
    Known {
        name: "github",
        command: "npx",
        args: &["-y", "@modelcontextprotocol/server-github"],
        variables: &[("token", "GITHUB_PERSONAL_ACCESS_TOKEN")],
    },
    Known {
        name: "slack",
        command: "npx",
        args: &["-y", "@modelcontextprotocol/server-slack"],
        variables: &[("token", "SLACK_BOT_TOKEN")],
    },
];

/// What comes of the option.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Servers {
    /// The file's content.
    pub(super) file: Value,
    /// Variables that the VM's programs get as well.
    pub(super) variables: Vec<(String, String)>,
}

impl Servers {
    /// Reads the option; `None` when it names no server.
    ///
    /// # Errors
    /// What is wrong with it, for people.
    pub(super) fn of(option: &Map<String, Value>) -> Result<Option<Self>, String> {
        if option.is_empty() {
            return Ok(None);
        }
        let mut servers = Map::new();
        let mut variables = Vec::new();
        for (name, parameters) in option {
            let parameters = parameters
                .as_object()
                .ok_or_else(|| format!("mcp[{name:?}] must be an object"))?;
            let server = match parameters.get("spec") {
                Some(spec) => given(name, spec)?,
                None => known(name, parameters, &mut variables)?,
            };
            servers.insert(name.clone(), server);
        }
        Ok(Some(Self {
            file: json!({ "mcpServers": servers }),
            variables,
        }))
    }

    /// The same without the values of any variable, to be shown.
    pub(super) fn redacted(&self) -> Value {
        let mut file = self.file.clone();
        let servers = file
            .get_mut("mcpServers")
            .and_then(Value::as_object_mut)
            .into_iter()
            .flatten();
        for (_, server) in servers {
            let variables = server.get_mut("env").and_then(Value::as_object_mut);
            for (_, value) in variables.into_iter().flatten() {
                *value = Value::String("<redacted>".to_owned());
            }
        }
        file
    }
}

fn given(name: &str, spec: &Value) -> Result<Value, String> {
    let spec = spec
        .as_object()
        .filter(|spec| spec.get("command").is_some_and(Value::is_string))
        .ok_or_else(|| format!("mcp[{name:?}].spec must be an object with a \"command\""))?;
    let kept = ["command", "args", "env"];
    let fields = spec
        .iter()
        .filter(|(field, _)| kept.contains(&field.as_str()));
    let fields: Map<_, _> = fields
        .map(|(field, value)| (field.clone(), value.clone()))
        .collect();
    Ok(Value::Object(fields))
}

fn known(
    name: &str,
    parameters: &Map<String, Value>,
    variables: &mut Vec<(String, String)>,
) -> Result<Value, String> {
    let known = KNOWN.iter().find(|known| known.name == name).ok_or_else(|| {
        format!("there is no known MCP server {name:?}; describe it with {{\"spec\": {{\"command\": …}}}}")
    })?;
    let mut args: Vec<String> = known.args.iter().map(|&arg| arg.to_owned()).collect();
    if name == "filesystem" {
        let folder = parameters.get("path").map_or("/workspace".to_owned(), text);
        args.push(folder);
    }
    let mut env = Map::new();
    for (parameter, variable) in known.variables {
        if let Some(value) = parameters.get(*parameter).map(text) {
            env.insert((*variable).to_owned(), Value::String(value.clone()));
            variables.push(((*variable).to_owned(), value));
        }
    }
    let mut server = json!({ "command": known.command, "args": args });
    if !env.is_empty() {
        server["env"] = Value::Object(env);
    }
    Ok(server)
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(option: Value) -> Result<Option<Servers>, String> {
        Servers::of(option.as_object().unwrap())
    }

    #[test]
    fn a_known_servers_parameters_become_variables_and_are_redacted_when_shown() {
        let servers = of(json!({ "github": { "token": "t0p" } }))
            .unwrap()
            .unwrap();
        let server = &servers.file["mcpServers"]["github"];
        assert_eq!(server["env"]["GITHUB_PERSONAL_ACCESS_TOKEN"], "t0p");
        let expected = ("GITHUB_PERSONAL_ACCESS_TOKEN".to_owned(), "t0p".to_owned());
        assert_eq!(servers.variables, [expected]);
        assert!(!servers.redacted().to_string().contains("t0p"));
    }

    #[test]
    fn the_file_servers_folder_can_be_named() {
        let args = |option| {
            of(option).unwrap().unwrap().file["mcpServers"]["filesystem"]["args"][2].clone()
        };
        assert_eq!(args(json!({ "filesystem": {} })), "/workspace");
        assert_eq!(args(json!({ "filesystem": { "path": "/data" } })), "/data");
    }

    #[test]
    fn an_unknown_server_needs_a_description() {
        assert!(of(json!({ "mine": {} })).unwrap_err().contains("spec"));
        assert!(of(json!({ "mine": { "spec": { "args": [] } } })).is_err());
        let servers = of(json!({ "mine": { "spec": { "command": "x", "args": ["y"], "z": 1 } } }));
        let file = servers.unwrap().unwrap().file;
        assert_eq!(
            file,
            json!({ "mcpServers": { "mine": { "command": "x", "args": ["y"] } } })
        );
        assert_eq!(of(json!({})), Ok(None));
    }
}
