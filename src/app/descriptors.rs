//! File descriptors: as many as the operating system gives this process, and no more connections than there are.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::error::StartError;
use crate::limits::{MAX_ADMIN_CONNECTIONS, MIN_CONNECTIONS, RESERVED_DESCRIPTORS};

/// Raises the limit as far as this process may. Returns the limit that is in force, none where there is none.
pub(super) fn raise() -> Option<u64> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current == maximum {
        return current;
    }
    match setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        Ok(()) => maximum,
        Err(error) => {
            tracing::warn!(%error, ?current, "the limit of file descriptors cannot be raised");
            current
        }
    }
}

/// The connections that there may be where `wanted` are asked for and `descriptors` is the limit: those that shake hands have a quarter as
/// many of their own, and operators and upstreams have some.
///
/// # Errors
/// Hardly any would be left.
pub(super) fn fit(wanted: usize, descriptors: Option<u64>) -> Result<usize, StartError> {
    let Some(descriptors) = descriptors else { return Ok(wanted) };
    let others = RESERVED_DESCRIPTORS.saturating_add(2 * MAX_ADMIN_CONNECTIONS);
    let left = usize::try_from(descriptors).unwrap_or(usize::MAX).saturating_sub(others);
    let most = left.saturating_sub(left / 5);
    if wanted <= most {
        return Ok(wanted);
    }
    let raise = "raise its hard limit (`LimitNOFILE=` in systemd, `ulimit -Hn`, `--ulimit nofile=` of a container)";
    if most < MIN_CONNECTIONS.min(wanted) {
        return Err(StartError::Settings(format!(
            "this process may open {descriptors} files, and needs {others} beside its connections: {raise}"
        )));
    }
    tracing::warn!(
        descriptors,
        "`listener.connections.max` is {wanted}, and there are file descriptors for {most}, which is the bound in force: {raise}"
    );
    Ok(most)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// P307: there are never more connections than file descriptors for them.
    #[test]
    fn connections_fit_into_the_file_descriptors_that_there_are() {
        for (wanted, descriptors, expected) in [
            (4096, None, Some(4096)),
            (4096, Some(u64::MAX), Some(4096)),
            (4096, Some(1_048_576), Some(4096)),
            (4096, Some(4096), Some(2765)),
            (4096, Some(1024), Some(308)),
            (4096, Some(700), None),
            (4096, Some(256), None),
            (2, Some(700), Some(2)),
        ] {
            let fits = fit(wanted, descriptors);
            assert_eq!(fits.as_ref().ok().copied(), expected, "{wanted} of {descriptors:?}");
            if let Err(error) = fits {
                assert!(error.to_string().contains("LimitNOFILE"), "{error}");
            }
        }
    }

    #[test]
    fn the_limit_is_raised_to_the_hard_one() {
        let in_force = raise();
        assert_eq!(in_force, getrlimit(Resource::Nofile).maximum);
        assert_eq!(in_force, getrlimit(Resource::Nofile).current);
    }
}
