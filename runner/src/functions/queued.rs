//! Events as they are kept.

/// An event that is served later, or was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueuedEvent {
    /// Its row, which no other event gets; 0 until it is entered.
    pub number: u64,
    /// The function.
    pub function: String,
    /// On whose behalf, for fair turns.
    pub key: String,
    /// What a client of AWS says of itself, as JSON.
    pub client_context: Option<String>,
    /// What is told of it in lists.
    pub info: EventInfo,
    /// The event.
    pub event: Vec<u8>,
    /// What the function returned, at most 64 KiB.
    pub result: Option<Vec<u8>>,
}

/// An event without what it holds, and without what came out of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventInfo {
    /// Its id among its function's events, which is that of its invocations.
    pub id: String,
    /// A version's number or an alias.
    pub qualifier: Option<String>,
    /// The event's media type.
    pub content_type: Option<String>,
    /// The size of the event.
    pub event_bytes: u64,
    /// Where it is.
    pub state: EventState,
    /// Attempts that went wrong.
    pub attempts: u32,
    /// When it is to be tried, in milliseconds since 1970-01-01 UTC.
    pub due_at_ms: u64,
    /// When it came.
    pub created_at_ms: u64,
    /// When it was done, or given up.
    pub ended_at_ms: Option<u64>,
    /// What went wrong last.
    pub error: Option<String>,
    /// The result's media type.
    pub result_type: Option<String>,
}

/// Where an event is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventState {
    /// It is to be served, or is being served.
    Queued,
    /// The function returned.
    Done,
    /// It was given up.
    Dead,
}

impl EventState {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Done => "done",
            Self::Dead => "dead",
        }
    }

    /// The state of a word.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Queued, Self::Done, Self::Dead]
            .into_iter()
            .find(|state| state.as_str() == word)
    }
}

impl QueuedEvent {
    /// Whether a caller that sends `other` means this event, as one does that tries again.
    pub(crate) fn is_same_event(&self, other: &Self) -> bool {
        let asked = |event: &Self| {
            let info = &event.info;
            (
                info.qualifier.clone(),
                info.content_type.clone(),
                event.client_context.clone(),
                event.key.clone(),
            )
        };
        self.event == other.event && asked(self) == asked(other)
    }
}
