//! Requests that no limit is for.

use http::Method;
use http::request::Parts;

/// Methods and paths that pass without being counted.
#[derive(Debug, Clone)]
pub(crate) struct Exempt {
    pub(crate) methods: Vec<Method>,
    /// One that ends with `/` stands for all that begin with it.
    pub(crate) paths: Vec<String>,
}

impl Default for Exempt {
    fn default() -> Self {
        Self { methods: vec![Method::OPTIONS], paths: Vec::new() }
    }
}

impl Exempt {
    pub(crate) fn is(&self, request: &Parts) -> bool {
        let path = request.uri.path();
        let is_this =
            |exempt: &String| if exempt.ends_with('/') { path.starts_with(exempt) } else { path == exempt };
        self.methods.contains(&request.method) || self.paths.iter().any(is_this)
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    #[test]
    fn methods_and_paths_are_exempt_and_folders_with_all_in_them() {
        let exempt = Exempt { paths: vec!["/health".into(), "/static/".into()], ..Exempt::default() };
        for (method, path, is) in [
            ("OPTIONS", "/a", true),
            ("GET", "/health", true),
            ("GET", "/static/a/b", true),
            ("GET", "/a", false),
            ("GET", "/healthy", false),
            ("GET", "/health/a", false),
            ("GET", "/static", false),
        ] {
            let request = Request::builder().method(method).uri(path).body(()).unwrap().into_parts().0;
            assert_eq!(exempt.is(&request), is, "{method} {path}");
        }
    }
}
