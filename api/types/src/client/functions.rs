//! Functions.

use reqwest::{
    Method, RequestBuilder,
    header::{self, HeaderMap},
    multipart,
};

use super::{
    Client, ClientError, Work,
    admin::in_path,
    exec::{EventStream, read},
};
use crate::{
    DeployFunctionRequest, ErrorBody, FunctionAlias, FunctionEvent, FunctionEventList,
    FunctionEventQuery, FunctionInfo, FunctionList, FunctionLog, FunctionLogList, FunctionLogQuery,
    FunctionVersionList, PutAliasRequest, QueuedFunctionEvent, invoke_headers as names,
};

/// What a function answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvokeAnswer {
    /// What it returned, or a description of what went wrong.
    pub body: Vec<u8>,
    /// The body's media type.
    pub content_type: String,
    /// `raised`, `restore_failed`, `timed_out`, `ended` or `result_too_large`, when it went wrong.
    pub function_error: Option<String>,
    /// The invocation's id.
    pub request_id: String,
    /// The version that served the event.
    pub version: String,
    /// How its clone came to be.
    pub start: String,
    /// Where the time went.
    pub timings_us: String,
}

impl InvokeAnswer {
    /// Whether people can read the body.
    pub fn is_text(&self) -> bool {
        self.content_type.starts_with("text/") || self.content_type.contains("json")
    }
}

/// Logs as they come. Dropping it hangs up.
#[derive(Debug)]
pub struct FunctionLogs(EventStream);

impl FunctionLogs {
    /// Waits for the next log; none when the function was removed.
    ///
    /// # Errors
    /// See [`ClientError`].
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub async fn next(&mut self) -> Result<Option<FunctionLog>, ClientError> {
        loop {
            let event = match self.0.next().await {
                Ok(event) => event,
                Err(ClientError::CutOff) => return Ok(None),
                Err(error) => return Err(error),
            };
            match event.event.as_str() {
                "log" => return read(&event).map(Some),
                "error" => return Err(read::<ErrorBody>(&event)?.into()),
                _ => {}
            }
        }
    }
}

impl Client {
    /// Lists the functions.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn functions(&self) -> Result<FunctionList, ClientError> {
        self.get("/v1/functions").await
    }

    /// Finds a function.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn function(&self, name: &str) -> Result<FunctionInfo, ClientError> {
        self.get(&path(name, "")).await
    }

    /// Lists a function's versions.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn function_versions(&self, name: &str) -> Result<FunctionVersionList, ClientError> {
        self.get(&path(name, "/versions")).await
    }

    /// Deploys a function; `code` is a zip, tar or tar.gz.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn deploy_function(
        &self,
        request: &DeployFunctionRequest,
        code: Option<Vec<u8>>,
    ) -> Result<Work<FunctionInfo>, ClientError> {
        // It has nothing in it that JSON can't hold.
        let text = serde_json::json!(request).to_string();
        let mut form = multipart::Form::new().text("function", text);
        if let Some(code) = code {
            form = form.part("code", multipart::Part::bytes(code));
        }
        self.work(self.request(Method::POST, "/v1/functions").multipart(form))
            .await
    }

    /// Gives a function an event.
    ///
    /// # Errors
    /// See [`ClientError`]. What the function itself does wrong is in the answer.
    pub async fn invoke_function(
        &self,
        name: &str,
        qualifier: Option<&str>,
        content_type: Option<&str>,
        event: Vec<u8>,
    ) -> Result<InvokeAnswer, ClientError> {
        let request = self.event(name, qualifier, content_type, event);
        let response = self.answer(request).await?;
        let text = |headers: &HeaderMap, name: &str| {
            let value = headers.get(name).and_then(|value| value.to_str().ok());
            value.map(str::to_owned)
        };
        let headers = response.headers().clone();
        let always = |name| text(&headers, name).unwrap_or_default();
        let body = response.bytes().await.map_err(ClientError::Answer)?;
        Ok(InvokeAnswer {
            body: body.to_vec(),
            content_type: always(header::CONTENT_TYPE.as_str()),
            function_error: text(&headers, names::FUNCTION_ERROR),
            request_id: always(names::REQUEST_ID),
            version: always(names::VERSION),
            start: always(names::START),
            timings_us: always(names::TIMINGS),
        })
    }

    /// Queues an event for a function, which serves it later, at least once.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn queue_function_event(
        &self,
        name: &str,
        qualifier: Option<&str>,
        content_type: Option<&str>,
        event: Vec<u8>,
    ) -> Result<QueuedFunctionEvent, ClientError> {
        let request = self.event(name, qualifier, content_type, event);
        self.json(request.query(&[("mode", "async")])).await
    }

    fn event(
        &self,
        name: &str,
        qualifier: Option<&str>,
        content_type: Option<&str>,
        event: Vec<u8>,
    ) -> RequestBuilder {
        let mut request = self
            .request(Method::POST, &path(name, "/invoke"))
            .body(event);
        if let Some(qualifier) = qualifier {
            request = request.query(&[("qualifier", qualifier)]);
        }
        if let Some(kind) = content_type {
            request = request.header(header::CONTENT_TYPE, kind);
        }
        request
    }

    /// Lists events that were queued for a function.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn function_events(
        &self,
        name: &str,
        query: &FunctionEventQuery,
    ) -> Result<FunctionEventList, ClientError> {
        let request = self.request(Method::GET, &path(name, "/events"));
        self.json(request.query(query)).await
    }

    /// Finds an event that was queued for a function.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn function_event(&self, name: &str, id: &str) -> Result<FunctionEvent, ClientError> {
        self.get(&event_path(name, id, "")).await
    }

    /// Queues an event anew that was given up.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn retry_function_event(
        &self,
        name: &str,
        id: &str,
    ) -> Result<FunctionEvent, ClientError> {
        let path = event_path(name, id, "/retry");
        self.json(self.request(Method::POST, &path)).await
    }

    /// Removes an event that was queued for a function.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn remove_function_event(&self, name: &str, id: &str) -> Result<(), ClientError> {
        self.delete(&event_path(name, id, "")).await
    }

    /// Reads a function's logs.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn function_logs(
        &self,
        name: &str,
        query: &FunctionLogQuery,
    ) -> Result<FunctionLogList, ClientError> {
        let request = self.request(Method::GET, &path(name, "/logs")).query(query);
        self.json(request).await
    }

    /// Reads a function's logs and goes on with those that come.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn follow_function_logs(
        &self,
        name: &str,
        query: &FunctionLogQuery,
    ) -> Result<FunctionLogs, ClientError> {
        let request = self
            .request(Method::GET, &path(name, "/logs"))
            .query(query)
            .header(header::ACCEPT, "text/event-stream");
        Ok(FunctionLogs(EventStream::new(self.answer(request).await?)))
    }

    /// Makes an alias, or leads one elsewhere.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn put_function_alias(
        &self,
        name: &str,
        alias: &str,
        request: &PutAliasRequest,
    ) -> Result<FunctionAlias, ClientError> {
        self.send_json(Method::PUT, &alias_path(name, alias, ""), request)
            .await
    }

    /// Leads an alias where it led before.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn roll_back_function_alias(
        &self,
        name: &str,
        alias: &str,
    ) -> Result<FunctionAlias, ClientError> {
        let path = alias_path(name, alias, "/rollback");
        self.json(self.request(Method::POST, &path)).await
    }

    /// Removes an alias.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn remove_function_alias(&self, name: &str, alias: &str) -> Result<(), ClientError> {
        self.delete(&alias_path(name, alias, "")).await
    }

    /// Removes a function with all of its versions.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn remove_function(&self, name: &str) -> Result<(), ClientError> {
        self.delete(&path(name, "")).await
    }

    /// Removes a version.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn remove_function_version(
        &self,
        name: &str,
        version: u64,
    ) -> Result<(), ClientError> {
        self.delete(&path(name, &format!("/versions/{version}")))
            .await
    }
}

fn path(name: &str, rest: &str) -> String {
    format!("/v1/functions/{}{rest}", in_path(name))
}

fn event_path(name: &str, id: &str, rest: &str) -> String {
    path(name, &format!("/events/{}{rest}", in_path(id)))
}

fn alias_path(name: &str, alias: &str, rest: &str) -> String {
    path(name, &format!("/aliases/{}{rest}", in_path(alias)))
}
