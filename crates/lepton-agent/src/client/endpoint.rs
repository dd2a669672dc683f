//! An address as an owner writes it: `https://lepton.example:7700`.

use http::Uri;

/// Where a server is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    tls: bool,
    host: String,
    port: u16,
    authority: String,
    path: String,
}

/// Why a text is no endpoint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// Not a URL with a host.
    #[error("{0:?} is not an address; write it like https://lepton.example:7700")]
    Syntax(String),
    /// Neither http nor https.
    #[error("{0:?} must begin with http:// or https://")]
    Scheme(String),
    /// A password in the address would be printed wherever the address is.
    #[error("an address must hold no password")]
    Password,
}

impl Endpoint {
    /// Reads an address. Its path is kept without a `/` at its end.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, EndpointError> {
        let syntax = || EndpointError::Syntax(text.to_owned());
        if text.contains('@') {
            return Err(EndpointError::Password);
        }
        let uri: Uri = text.parse().map_err(|_| syntax())?;
        let tls = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(EndpointError::Scheme(text.to_owned())),
        };
        let authority = uri.authority().ok_or_else(syntax)?;
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        if host.is_empty() {
            return Err(syntax());
        }
        let port = authority.port_u16().unwrap_or(if tls { 443 } else { 80 });
        let path = uri.path().trim_end_matches('/').to_owned();
        Ok(Self { tls, host, port, authority: authority.as_str().to_owned(), path })
    }

    /// Whether to speak TLS.
    pub fn is_tls(&self) -> bool {
        self.tls
    }

    /// Host name or address, without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// For the resolver.
    pub fn address(&self) -> (&str, u16) {
        (&self.host, self.port)
    }

    /// For the `Host` header.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// Its path; empty, or beginning with `/`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Whether a token sent there can be read on the way: no TLS, and not this machine.
    pub fn is_exposed(&self) -> bool {
        let local = self.host == "localhost"
            || self.host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
        !self.tls && !local
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let check = |text: &str, expect: Option<(bool, &str, u16, &str)>| {
            let found = Endpoint::parse(text).ok();
            let found = found.as_ref().map(|e| (e.is_tls(), e.host(), e.address().1, e.path()));
            assert_eq!(found, expect, "{text:?}");
        };
        check("https://lepton.example:7700", Some((true, "lepton.example", 7700, "")));
        check("http://127.0.0.1", Some((false, "127.0.0.1", 80, "")));
        check("http://[::1]:9090/api/v1/write/", Some((false, "::1", 9090, "/api/v1/write")));
        check("lepton.example:7700", None);
        check("ftp://lepton.example", None);
        check("https://user:secret@lepton.example", None);
        check("https://", None);
        check("", None);
    }

    #[test]
    fn tokens_travel_in_clear_only_to_this_machine() {
        let check = |text: &str, expect: bool| {
            assert_eq!(Endpoint::parse(text).map(|e| e.is_exposed()), Ok(expect), "{text}");
        };
        check("http://127.0.0.1:7700", false);
        check("http://[::1]:7700", false);
        check("http://localhost:7700", false);
        check("https://10.0.0.1", false);
        check("http://10.0.0.1", true);
        check("http://localhost.example", true);
    }
}
