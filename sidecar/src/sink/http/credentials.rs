//! Credentials of an endpoint: read from files, taken into use soon after they change, and shown to nobody, not even when the
//! receiver repeats them in its answers.

use super::describe;
use crate::config::Auth;
use crate::engine::Tick;
use crate::io::secret::Watched;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::HeaderValue;
use std::fmt;
use std::sync::Arc;

/// Stands where a secret stood.
const HIDDEN: &str = "(hidden)";
/// An answer is cut for people, and the cut may go through a secret: so much of its beginning betrays it.
const BEGINNING_BYTES: usize = 8;

/// The credentials of one endpoint.
#[derive(Debug)]
pub struct Credentials {
    auth: Auth,
    files: Watched,
    current: Option<Arc<Authorization>>,
}

/// What is sent with a request.
pub struct Authorization {
    /// The header's value.
    pub header: HeaderValue,
    /// Texts that must not be shown.
    secrets: Vec<String>,
}

impl fmt::Debug for Authorization {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Authorization")
    }
}

impl Credentials {
    /// Nothing read yet.
    pub fn new(auth: Auth) -> Self {
        let files = match &auth {
            Auth::Basic { username, password } => vec![username.clone(), password.clone()],
            Auth::Bearer(token) => vec![token.clone()],
        };
        Self {
            auth,
            files: Watched::new(files),
            current: None,
        }
    }

    /// What to send now. A Secret may be away or unusable for a moment; what was valid may still be.
    ///
    /// # Errors
    /// When there never was anything usable, for people.
    pub fn authorization(&mut self, now: Tick) -> Result<Arc<Authorization>, String> {
        let renewed = match self.files.changed(now) {
            Ok(None) => Ok(None),
            Ok(Some(contents)) => Authorization::new(&self.auth, contents)
                .map(|authorization| Some(Arc::new(authorization)))
                .ok_or_else(|| {
                    "failed to use the credentials: they must be visible ASCII characters".to_owned()
                }),
            Err(error) => Err(describe(&error)),
        };
        match (renewed, &self.current) {
            (Ok(Some(new)), _) => Ok(Arc::clone(self.current.insert(new))),
            (_, Some(current)) => Ok(Arc::clone(current)),
            (renewed, None) => {
                // Otherwise the next look would find nothing new, and nothing to say.
                self.files.forget();
                Err(renewed.err().unwrap_or_default())
            }
        }
    }
}

impl Authorization {
    /// None: the contents cannot stand in a header.
    fn new(auth: &Auth, contents: &[Vec<u8>]) -> Option<Self> {
        let text = |index: usize| Some(std::str::from_utf8(contents.get(index)?).ok()?.trim_ascii());
        let (value, secrets) = match auth {
            Auth::Basic { .. } => {
                let pair = BASE64.encode(format!("{}:{}", text(0)?, text(1)?));
                (format!("Basic {pair}"), vec![pair, text(1)?.to_owned()])
            }
            Auth::Bearer(_) => (format!("Bearer {}", text(0)?), vec![text(0)?.to_owned()]),
        };
        let mut header = HeaderValue::from_str(&value).ok()?;
        header.set_sensitive(true);
        Some(Self { header, secrets })
    }

    /// The text without the secrets.
    pub fn hide(&self, text: String) -> String {
        self.secrets.iter().fold(text, |text, secret| hide(&text, secret))
    }
}

/// The text without `secret`, or what a cut has left of it.
fn hide(text: &str, secret: &str) -> String {
    let secret = secret.as_bytes();
    let beginning = &secret[..secret.len().min(BEGINNING_BYTES)];
    let (mut rest, mut shown) = (text.as_bytes(), Vec::with_capacity(text.len()));
    while !beginning.is_empty()
        && let Some(start) = memchr::memmem::find(rest, beginning)
    {
        shown.extend_from_slice(&rest[..start]);
        shown.extend_from_slice(HIDDEN.as_bytes());
        let found = &rest[start..];
        let same = found
            .iter()
            .zip(secret)
            .take_while(|(one, other)| one == other)
            .count();
        rest = &found[same..];
    }
    shown.extend_from_slice(rest);
    String::from_utf8_lossy(&shown).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;
    use std::time::Duration;

    #[test]
    fn basic_credentials_are_encoded_and_never_printed() {
        let auth = Auth::Basic {
            username: PathBuf::new(),
            password: PathBuf::new(),
        };
        let contents = [b"user\n".to_vec(), b"pass word\n".to_vec()];
        let authorization = Authorization::new(&auth, &contents).unwrap();
        assert_eq!(authorization.header, "Basic dXNlcjpwYXNzIHdvcmQ=");
        assert_eq!(
            format!("{authorization:?} {:?}", authorization.header),
            "Authorization Sensitive"
        );
    }

    #[test]
    fn secret_is_hidden_wherever_it_stands_also_when_it_is_cut() {
        for (text, expected) in [
            ("nothing", "nothing"),
            ("a 0123456789 b 0123456789", "a (hidden) b (hidden)"),
            ("cut: 012345678", "cut: (hidden)"),
            ("cut: 01234567 and more", "cut: (hidden) and more"),
            ("0123", "0123"),
            ("ü0123456789ü", "ü(hidden)ü"),
        ] {
            assert_eq!(hide(text, "0123456789"), expected);
        }
        assert_eq!(hide("my pw", "pw"), "my (hidden)");
        assert_eq!(hide("text", ""), "text");
    }

    #[test]
    fn unusable_credentials_are_said_each_time_until_there_are_usable_ones_which_stay() {
        let directory = tempfile::tempdir().unwrap();
        let token = directory.path().join("token");
        let mut credentials = Credentials::new(Auth::Bearer(token.clone()));
        let mut now = Duration::ZERO;
        let mut look = |text: &str| {
            std::fs::write(&token, text).unwrap();
            now += Duration::from_secs(2);
            let authorization = credentials.authorization(now)?;
            Ok::<_, String>(authorization.header.to_str().unwrap().to_owned())
        };
        for _ in 0..3 {
            assert!(look("two\nlines").unwrap_err().contains("visible ASCII"));
        }
        assert_eq!(look("one").unwrap(), "Bearer one");
        assert_eq!(look("two\nlines").unwrap(), "Bearer one");
        assert_eq!(look("three").unwrap(), "Bearer three");
    }
}
