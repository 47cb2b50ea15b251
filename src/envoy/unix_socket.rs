//! A Unix socket that only some may open, in place of one that a former process left behind.

use std::borrow::Cow;
use std::fs::{self, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _, chown};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserializer, Error as _};
use serde::{Deserialize, Serialize, Serializer};
use tokio::net::UnixListener;

/// Who may open the socket. Every process that may can claim to be Envoy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct SocketOptions {
    /// Permissions, such as `"0660"`.
    pub mode: SocketMode,
    /// The owner's number; unset, that of the process.
    pub user: Option<u32>,
    /// The group's number, such as Envoy's; unset, that of the process.
    pub group: Option<u32>,
}

/// Permission bits, written in octal and in quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SocketMode(u32);

/// A listening socket whose file goes when it does.
#[derive(Debug)]
pub struct Socket {
    listener: UnixListener,
    path: PathBuf,
    inode: u64,
}

impl Default for SocketMode {
    /// Owner and group: Envoy in the same container or with the same group, and no other process on the machine.
    fn default() -> Self {
        Self(0o660)
    }
}

impl<'de> Deserialize<'de> for SocketMode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let mode = u32::from_str_radix(&text, 8).ok().filter(|mode| *mode <= 0o777);
        mode.map(Self).ok_or_else(|| {
            D::Error::custom(format!(
                "`{text}` is not a file mode, expected octal digits in quotes such as `\"0660\"`"
            ))
        })
    }
}

impl Serialize for SocketMode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:04o}", self.0))
    }
}

impl JsonSchema for SocketMode {
    fn schema_name() -> Cow<'static, str> {
        Cow::Borrowed("Mode")
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^[0-7]{1,4}$" })
    }
}

impl Socket {
    /// Listens at `path`. A socket there without a listener is replaced; anything else is left alone.
    ///
    /// The socket is made in a private folder and moved to its place when its permissions are right: at no moment can a
    /// process open it that must not.
    ///
    /// # Errors
    /// A process listens there, something else is there, or the operating system's error.
    pub fn bind(path: &Path, options: SocketOptions) -> io::Result<Self> {
        make_way(path)?;
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        // Sockets have short paths: 107 bytes on Linux.
        let private = tempfile::Builder::new()
            .prefix(".")
            .rand_bytes(4)
            .permissions(Permissions::from_mode(0o700))
            .tempdir_in(parent.unwrap_or(Path::new(".")))?;
        let made = private.path().join("s");
        let listener = UnixListener::bind(&made)?;
        chown(&made, options.user, options.group)?;
        fs::set_permissions(&made, Permissions::from_mode(options.mode.0))?;
        fs::rename(&made, path)?;
        let inode = fs::symlink_metadata(path)?.ino();
        Ok(Self { listener, path: path.to_owned(), inode })
    }

    /// Its place.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The next connection.
    ///
    /// # Errors
    /// The operating system's error.
    pub async fn accept(&self) -> io::Result<tokio::net::UnixStream> {
        self.listener.accept().await.map(|(stream, _)| stream)
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        // The file may be a successor's by now.
        if fs::symlink_metadata(&self.path).is_ok_and(|found| found.ino() == self.inode) {
            // A file that stays is replaced at the next start.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Refuses what must not be replaced.
fn make_way(path: &Path) -> io::Result<()> {
    let found = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        found => found?,
    };
    if !found.file_type().is_socket() {
        let message = "there is a file that is not a socket; remove it, or choose another path";
        return Err(io::Error::new(ErrorKind::AlreadyExists, message));
    }
    match UnixStream::connect(path) {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => Ok(()),
        Err(error) => Err(error),
        Ok(_) => Err(io::Error::new(ErrorKind::AddrInUse, "another process listens there")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::symlink_metadata(path).unwrap().permissions().mode() & 0o777
    }

    /// P18: who may open the socket is who may ask.
    #[tokio::test]
    async fn a_socket_has_the_permissions_that_were_asked_for_and_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.sock");
        let socket = Socket::bind(&path, SocketOptions::default()).unwrap();
        assert_eq!(mode(&path), 0o660);
        let (_client, accepted) =
            tokio::join!(tokio::net::UnixStream::connect(&path), socket.accept());
        assert!(accepted.is_ok());
        drop(socket);
        let left: Vec<_> = fs::read_dir(&folder).unwrap().collect();
        assert!(left.is_empty(), "{left:?}");

        let options = SocketOptions { mode: SocketMode(0o600), ..SocketOptions::default() };
        let _socket = Socket::bind(&path, options).unwrap();
        assert_eq!(mode(&path), 0o600);
    }

    #[tokio::test]
    async fn a_socket_that_was_left_behind_is_replaced_and_nothing_else_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.sock");
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        let alive = Socket::bind(&path, SocketOptions::default()).unwrap();

        let refused = Socket::bind(&path, SocketOptions::default()).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::AddrInUse, "{refused}");
        assert!(
            tokio::net::UnixStream::connect(&path).await.is_ok(),
            "the first one still answers"
        );
        drop(alive);

        fs::write(&path, "precious").unwrap();
        let refused = Socket::bind(&path, SocketOptions::default()).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::AlreadyExists, "{refused}");
        assert_eq!(fs::read(&path).unwrap(), b"precious");

        let link = folder.path().join("link.sock");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert!(Socket::bind(&link, SocketOptions::default()).is_err(), "a link is not followed");
    }

    #[tokio::test]
    async fn the_socket_of_a_successor_is_not_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.sock");
        let former = Socket::bind(&path, SocketOptions::default()).unwrap();
        fs::remove_file(&path).unwrap();
        let _successor = Socket::bind(&path, SocketOptions::default()).unwrap();
        drop(former);
        assert!(tokio::net::UnixStream::connect(&path).await.is_ok());
    }

    #[test]
    fn a_mode_is_octal_and_in_quotes() {
        let read = |json: &str| serde_json::from_str::<SocketMode>(json).map_err(|e| e.to_string());
        assert_eq!(read("\"0660\"").unwrap(), SocketMode(0o660));
        for json in ["\"0888\"", "\"1777\"", "\"rw\"", "\"\"", "432"] {
            assert!(read(json).is_err(), "{json}");
        }
    }
}
