//! The shared credentials file, as the AWS tools write it.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{Credentials, CredentialsError};
use crate::secret::Secret;

/// Finds the file and reads a profile of it.
pub(super) fn load(
    path: Option<&Path>,
    profile: Option<&str>,
    var: impl Fn(&str) -> Option<String>,
) -> Result<Credentials, CredentialsError> {
    let var = |name| var(name).filter(|value| !value.is_empty());
    let path = match path {
        Some(path) => path.to_owned(),
        None => match var("AWS_SHARED_CREDENTIALS_FILE") {
            Some(path) => path.into(),
            None => {
                let home = var("HOME").or_else(|| var("USERPROFILE"));
                let home = home.ok_or(CredentialsError::NoHome)?;
                PathBuf::from(home).join(".aws").join("credentials")
            }
        },
    };
    let text = fs::read_to_string(&path).map_err(|error| CredentialsError::File {
        path: path.clone(),
        kind: error.kind(),
        message: error.to_string().into(),
    })?;
    let profile = profile.map(str::to_owned).or_else(|| var("AWS_PROFILE"));
    read(&text, profile.as_deref().unwrap_or("default"), path)
}

/// Lines `key = value` under `[profile]`; `#` and `;` begin comments. A later line counts.
pub(super) fn read(
    text: &str,
    profile: &str,
    path: PathBuf,
) -> Result<Credentials, CredentialsError> {
    let mut inside = false;
    let mut found = false;
    let (mut id, mut secret, mut token) = (None, None, None);
    for line in text.lines().map(str::trim) {
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(rest) = line.strip_prefix('[') {
            let name = rest.split(']').next().unwrap_or_default().trim();
            inside = name == profile;
            found |= inside;
            continue;
        }
        let Some((key, value)) = line.split_once('=') else {
            continue;
        };
        // No key or token has white space in it, so what follows is a comment.
        let value = value.split_whitespace().next().unwrap_or_default();
        let slot = match key.trim().to_ascii_lowercase().as_str() {
            "aws_access_key_id" => &mut id,
            "aws_secret_access_key" => &mut secret,
            "aws_session_token" => &mut token,
            _ => continue,
        };
        if inside {
            *slot = Some(value).filter(|value| !value.is_empty());
        }
    }
    if !found {
        let profile = profile.into();
        return Err(CredentialsError::NoProfile { path, profile });
    }
    let missing = |key| CredentialsError::Incomplete {
        path: path.clone(),
        profile: profile.into(),
        key,
    };
    Ok(Credentials {
        access_key_id: id.ok_or_else(|| missing("aws_access_key_id"))?.into(),
        secret_access_key: secret
            .ok_or_else(|| missing("aws_secret_access_key"))?
            .into(),
        session_token: token.map(Secret::from),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "\
# made by hand
[default]
aws_access_key_id = AKIDDEFAULT
aws_secret_access_key=abc/def+ghi=   # rotated in May
[ work ]
AWS_ACCESS_KEY_ID=AKIDWORK
aws_secret_access_key =  hush
aws_session_token = hush/token==
region = eu-west-1
s3 =
  max_concurrent_requests = 20
[half]
aws_access_key_id = AKIDHALF
aws_secret_access_key =
[work]
aws_access_key_id = AKIDWORK2
";

    #[test]
    fn profiles() {
        let read = |profile| read(FILE, profile, "credentials".into());
        assert_eq!(
            read("default"),
            Ok(Credentials::new("AKIDDEFAULT", "abc/def+ghi="))
        );
        assert_eq!(
            read("work"),
            Ok(Credentials::new("AKIDWORK2", "hush").with_session_token("hush/token=="))
        );
        assert_eq!(
            read("home").unwrap_err().to_string(),
            "no AWS credentials: credentials has no profile [home]"
        );
        assert_eq!(
            read("half").unwrap_err().to_string(),
            "no AWS credentials: profile [half] in credentials has no aws_secret_access_key"
        );
    }

    #[test]
    fn where_the_file_is() {
        let nothing = |_: &str| None;
        assert_eq!(load(None, None, nothing), Err(CredentialsError::NoHome));
        let path_of = |name: &'static str, value: &'static str| {
            let var = move |asked: &str| (asked == name).then(|| value.to_owned());
            match load(None, None, var) {
                Err(CredentialsError::File { path, .. }) => path,
                other => panic!("{other:?}"),
            }
        };
        let expected = Path::new("/nowhere/at/all")
            .join(".aws")
            .join("credentials");
        assert_eq!(path_of("HOME", "/nowhere/at/all"), expected);
        assert_eq!(path_of("USERPROFILE", "/nowhere/at/all"), expected);
        assert_eq!(
            path_of("AWS_SHARED_CREDENTIALS_FILE", "/nowhere/else"),
            Path::new("/nowhere/else")
        );
    }
}
