//! Whether the image's user exists, and whether Kubernetes would take it.

use super::{CheckError, Findings};
use crate::rootfs::image::{Image, Resolved};
use crate::spec::Check;

/// Account files are a few lines; one in a base image of a distribution is a few hundred.
const ACCOUNTS_LIMIT: u64 = 4 << 20;

pub(super) fn check(image: &Image<'_>, out: &mut Findings<'_>) -> Result<(), CheckError> {
    let text = image.spec.config.user.as_deref().unwrap_or_default();
    let (user, group) = text.split_once(':').map_or((text, None), |(u, g)| (u, Some(g)));
    if let Some(group) = group.filter(|group| is_name(group))
        && !image.has_base()
        && account(image, "/etc/group", group)?.is_none()
    {
        let what = "is not in the image's `/etc/group`; add it to `groups` or write its number";
        out.problem(Check::User, format!("config.User has the group `{group}`, which {what}"));
    }
    if !is_name(user) {
        return Ok(());
    }
    let found = account(image, "/etc/passwd", user)?;
    if found.is_none() && !image.has_base() {
        let what = "is not in the image's `/etc/passwd`; add it to `users` or write its number";
        out.problem(Check::User, format!("config.User is `{user}`, which {what}"));
        return Ok(());
    }
    let instead = found.map_or_else(|| "numbers".into(), |(uid, gid)| format!("`{uid}:{gid}`"));
    let message = format!(
        "config.User is the name `{user}`, and Kubernetes refuses names under `runAsNonRoot`; \
         write {instead} (`runAsNonRoot` in checks.skip silences this)"
    );
    out.warn(Check::RunAsNonRoot, message);
    Ok(())
}

fn is_name(part: &str) -> bool {
    !part.is_empty() && !part.bytes().all(|byte| byte.is_ascii_digit())
}

/// The third and fourth field of an account's line: uid and gid, or gid and members.
fn account(
    image: &Image<'_>,
    path: &str,
    name: &str,
) -> Result<Option<(String, String)>, CheckError> {
    let Resolved::File(content) = image.find(path)? else { return Ok(None) };
    let text = content.head(ACCOUNTS_LIMIT)?;
    let text = String::from_utf8_lossy(&text);
    Ok(text.lines().find_map(|line| {
        let mut fields = line.split(':');
        let same = fields.next()? == name;
        let numbers = (fields.nth(1)?.to_owned(), fields.next().unwrap_or_default().to_owned());
        same.then_some(numbers)
    }))
}
