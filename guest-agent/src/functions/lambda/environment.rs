//! What a runtime is told by its environment, beside what every function is told.

use thaw_guest_protocol::LoadFunction;

/// The variables that a runtime looks for; see "Defined runtime environment variables" in AWS Lambda's guide.
pub(super) fn environment(
    load: &LoadFunction,
    handler: Option<&str>,
    address: &str,
) -> Vec<(String, String)> {
    let mut env = vec![
        ("AWS_LAMBDA_RUNTIME_API", address.to_owned()),
        // Runtimes that know hooks run them: before they ask for their thaw, and after it.
        ("AWS_LAMBDA_INITIALIZATION_TYPE", "snap-start".to_owned()),
        (
            "AWS_LAMBDA_LOG_GROUP_NAME",
            format!("/thaw/functions/{}", load.name),
        ),
        ("AWS_LAMBDA_LOG_STREAM_NAME", "thaw".to_owned()),
    ];
    // Clients of AWS in the function refuse to start without one.
    for name in ["AWS_REGION", "AWS_DEFAULT_REGION"] {
        if !load.env.iter().any(|(known, _)| known == name) {
            env.push((name, "local".to_owned()));
        }
    }
    if let Some(handler) = handler {
        env.push(("_HANDLER", handler.to_owned()));
    }
    env.into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}
