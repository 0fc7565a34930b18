//! Aliases: names for versions, with weighted traffic and a way back.

use serde::{Deserialize, Serialize};

use super::FunctionError;

/// The most versions that one alias may lead to.
const MAX_ROUTES: usize = 10;

/// A name that leads to versions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Alias {
    /// Its name.
    pub name: String,
    /// Where it leads; at least one.
    pub routes: Vec<Route>,
    /// Where it led before, for a rollback.
    pub previous: Option<Vec<Route>>,
}

/// A version and its part of the traffic.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Route {
    /// The version.
    pub version: u64,
    /// Its part, relative to the others' of the alias; more than 0.
    pub weight: f64,
}

impl Alias {
    /// The version for one event. `draw` is anything from 0 to 1, and 1 not among it.
    pub(crate) fn choose(&self, draw: f64) -> u64 {
        let total: f64 = self.routes.iter().map(|route| route.weight).sum();
        let mut left = draw * total;
        for route in &self.routes {
            left -= route.weight;
            if left < 0.0 {
                return route.version;
            }
        }
        // Rounding alone leads here.
        self.routes.last().map_or(0, |route| route.version)
    }

    /// Leads elsewhere from now on, and remembers where it led.
    pub(crate) fn lead(&mut self, routes: Vec<Route>) {
        if routes != self.routes {
            self.previous = Some(std::mem::replace(&mut self.routes, routes));
        }
    }

    /// Leads where it led before; a second time undoes the first.
    pub(crate) fn roll_back(&mut self) -> Result<(), FunctionError> {
        let Some(previous) = self.previous.take() else {
            return Err(FunctionError::NoPrevious(self.name.clone()));
        };
        self.previous = Some(std::mem::replace(&mut self.routes, previous));
        Ok(())
    }
}

/// Checks the shape of routes; whether the versions exist is another matter.
pub(crate) fn check(routes: &[Route]) -> Result<(), FunctionError> {
    let bad = |why: &str| Err(FunctionError::BadRoutes(why.to_owned()));
    if routes.is_empty() {
        return bad("an alias leads to at least one version");
    }
    if routes.len() > MAX_ROUTES {
        return bad("an alias leads to at most 10 versions");
    }
    for (index, route) in routes.iter().enumerate() {
        if !(route.weight.is_finite() && route.weight > 0.0) {
            return bad("a weight is a number greater than 0");
        }
        if routes[..index]
            .iter()
            .any(|other| other.version == route.version)
        {
            return bad("a version is named twice");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(version: u64, weight: f64) -> Route {
        Route { version, weight }
    }

    fn alias(routes: &[Route]) -> Alias {
        Alias {
            name: "live".into(),
            routes: routes.to_vec(),
            previous: None,
        }
    }

    #[test]
    fn traffic_is_shared_by_weight() {
        let alias = alias(&[route(1, 9.0), route(2, 1.0)]);
        let chosen: Vec<_> = (0..1000)
            .map(|i| alias.choose(f64::from(i) / 1000.0))
            .collect();
        assert_eq!(chosen.iter().filter(|version| **version == 2).count(), 100);
    }

    #[test]
    fn a_rollback_leads_back_and_another_one_forth() {
        let mut alias = alias(&[route(1, 1.0)]);
        assert!(alias.roll_back().is_err());
        alias.lead(vec![route(2, 1.0)]);
        alias.roll_back().unwrap();
        assert_eq!(alias.routes, [route(1, 1.0)]);
        alias.roll_back().unwrap();
        assert_eq!(alias.routes, [route(2, 1.0)]);
    }

    #[test]
    fn routes_that_make_no_sense_are_refused() {
        assert!(check(&[route(1, 0.5), route(2, 2.0)]).is_ok());
        let bad: [&[Route]; 5] = [
            &[],
            &[route(1, 0.0)],
            &[route(1, -1.0)],
            &[route(1, f64::NAN)],
            &[route(1, 1.0), route(1, 1.0)],
        ];
        for routes in bad {
            assert!(check(routes).is_err(), "{routes:?}");
        }
    }
}
