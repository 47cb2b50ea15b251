//! Connecting to Redis: one server or a cluster, with or without TLS. Files are read again for each connection, so that
//! passwords and certificates rotate without a restart.

use std::fs;
use std::path::Path;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::cluster::{ClusterClient, ClusterClientBuilder};
use redis::cluster_async::ClusterConnection;
use redis::sentinel::{SentinelClientBuilder, SentinelServerType};
use redis::{
    AsyncConnectionConfig, Client, ClientTlsConfig, Cmd, ConnectionAddr, ConnectionInfo,
    FromRedisValue, IntoConnectionInfo as _, RedisError, RedisResult, TlsCertificates, TlsMode,
};

use super::super::{PasswordSource, RedisOptions, SentinelOptions};
use crate::limits::STORE_CONNECT_TIMEOUT;
use crate::secret::Secret;
use crate::words::of_system;

/// The server or the cluster to connect to.
#[derive(Debug)]
pub(super) struct RedisTarget {
    options: RedisOptions,
    servers: Vec<ConnectionInfo>,
}

/// A connection that many requests use at a time.
#[derive(Clone)]
pub(super) enum RedisConnection {
    One(MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl RedisTarget {
    /// # Errors
    /// A URL or a file cannot be used. Files are checked so that a mistake in the settings is reported at the start.
    pub(super) fn read(options: &RedisOptions) -> Result<Self, String> {
        let servers = options.servers().iter().map(|url| {
            let info = url.as_str().into_connection_info();
            info.map_err(|error| {
                format!("`store.redis` has a URL that cannot be used: {}", plain(&error))
            })
        });
        let target = Self { options: options.clone(), servers: servers.collect::<Result<_, _>>()? };
        target.password()?;
        target.sentinel_password()?;
        target.certificates()?;
        Ok(target)
    }

    /// Connects and says who we are.
    ///
    /// # Errors
    /// Why not, with the addresses that were tried.
    pub(super) async fn connect(&self) -> Result<RedisConnection, String> {
        let late = |_| Err(format!("no connection within {STORE_CONNECT_TIMEOUT:?}"));
        let opened = tokio::time::timeout(STORE_CONNECT_TIMEOUT, self.open()).await;
        opened.unwrap_or_else(late).map_err(|why| format!("{}: {why}", self.addresses()))
    }

    /// The addresses of the servers, without credentials.
    fn addresses(&self) -> String {
        let addresses = self.servers.iter().map(|server| server.addr().to_string());
        addresses.collect::<Vec<_>>().join(", ")
    }

    async fn open(&self) -> Result<RedisConnection, String> {
        let password = self.password()?;
        if self.options.cluster.is_some() {
            let client = self.cluster(password.as_ref()).map_err(|error| plain(&error))?;
            let connection = client.get_async_connection().await;
            return connection.map(RedisConnection::Cluster).map_err(|error| plain(&error));
        }
        let client = match &self.options.sentinel {
            Some(sentinel) => self.found_by(sentinel, password.as_ref()).await?,
            None => self.single(password.as_ref())?,
        };
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(STORE_CONNECT_TIMEOUT))
            // Every command has our own, shorter bound.
            .set_response_timeout(Some(STORE_CONNECT_TIMEOUT));
        let connection = client.get_multiplexed_async_connection_with_config(&config).await;
        connection.map(RedisConnection::One).map_err(|error| plain(&error))
    }

    fn single(&self, password: Option<&Secret<String>>) -> Result<Client, String> {
        let server = self.servers.first().ok_or("no URL")?;
        let mut settings = server.redis_settings().clone();
        if let Some(password) = password {
            settings = settings.set_password(password.expose());
        }
        if let Some(username) = &self.options.username {
            settings = settings.set_username(username);
        }
        let server = server.clone().set_redis_settings(settings);
        let client = match server.addr() {
            ConnectionAddr::TcpTls { .. } => Client::build_with_tls(server, self.certificates()?),
            ConnectionAddr::Tcp(..) | ConnectionAddr::Unix(_) | _ => Client::open(server),
        };
        client.map_err(|error| plain(&error))
    }

    /// The server that the Sentinels name now. It is asked whether it is the primary.
    async fn found_by(
        &self,
        sentinel: &SentinelOptions,
        password: Option<&Secret<String>>,
    ) -> Result<Client, String> {
        let builder = self.sentinel_client(sentinel, password)?;
        let mut client = builder.build().map_err(|error| plain(&error))?;
        client.async_get_client().await.map_err(|error| plain(&error))
    }

    fn sentinel_client(
        &self,
        sentinel: &SentinelOptions,
        password: Option<&Secret<String>>,
    ) -> Result<SentinelClientBuilder, String> {
        let servers = self.servers.iter().map(|server| server.addr().clone());
        let new = SentinelClientBuilder::new(servers, &sentinel.master, SentinelServerType::Master);
        let mut builder = new.map_err(|error| plain(&error))?;
        if let Some(password) = password {
            builder = builder.set_client_to_redis_password(password.expose());
        }
        if let Some(username) = &self.options.username {
            builder = builder.set_client_to_redis_username(username);
        }
        if let Some(password) = self.sentinel_password()? {
            builder = builder.set_client_to_sentinel_password(password.expose());
        }
        if let Some(username) = &sentinel.username {
            builder = builder.set_client_to_sentinel_username(username);
        }
        if self.speaks_tls() {
            builder = builder
                .set_client_to_redis_tls_mode(TlsMode::Secure)
                .set_client_to_redis_certificates(self.certificates()?)
                .set_client_to_sentinel_tls_mode(TlsMode::Secure)
                .set_client_to_sentinel_certificates(self.certificates()?);
        }
        Ok(builder)
    }

    fn speaks_tls(&self) -> bool {
        self.servers.iter().any(|server| matches!(server.addr(), ConnectionAddr::TcpTls { .. }))
    }

    fn cluster(&self, password: Option<&Secret<String>>) -> RedisResult<ClusterClient> {
        let mut builder = ClusterClientBuilder::new(self.servers.iter().cloned())
            .connection_timeout(STORE_CONNECT_TIMEOUT)
            .response_timeout(self.options.timeout.get())
            // One more try, for a key whose slot has moved.
            .retries(1)
            .max_retry_wait(millis(self.options.timeout.get()));
        if let Some(password) = password {
            builder = builder.password(password.expose());
        }
        if let Some(username) = &self.options.username {
            builder = builder.username(username);
        }
        if self.speaks_tls() {
            let certificates = self.certificates().map_err(|why| {
                RedisError::from((redis::ErrorKind::InvalidClientConfig, "TLS", why))
            })?;
            builder = builder.certs(certificates);
        }
        builder.build()
    }

    fn password(&self) -> Result<Option<Secret<String>>, String> {
        let source = self.options.password.as_ref();
        source.map(|source| read_password(source, "store.redis")).transpose()
    }

    fn sentinel_password(&self) -> Result<Option<Secret<String>>, String> {
        let source = self.options.sentinel.as_ref().and_then(|own| own.password.as_ref());
        source.map(|source| read_password(source, "store.redis.sentinel")).transpose()
    }

    fn certificates(&self) -> Result<TlsCertificates, String> {
        let RedisOptions { ca, certificate, key, .. } = &self.options;
        let client_tls = match (certificate, key) {
            (Some(certificate), Some(key)) => {
                Some(ClientTlsConfig { client_cert: read(certificate)?, client_key: read(key)? })
            }
            (None, _) | (_, None) => None,
        };
        Ok(TlsCertificates { client_tls, root_cert: ca.as_deref().map(read).transpose()? })
    }
}

fn read_password(source: &PasswordSource, place: &str) -> Result<Secret<String>, String> {
    let text = fs::read_to_string(&source.file).map_err(|error| {
        format!(
            "cannot read `{place}.password.file` {}: {}",
            source.file.display(),
            of_system(&error)
        )
    })?;
    Ok(Secret::new(text.trim_end_matches(['\r', '\n']).to_owned()))
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    fs::read(path).map_err(|error| format!("cannot read {}: {}", path.display(), of_system(&error)))
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl RedisConnection {
    pub(super) async fn query<T: FromRedisValue>(&mut self, command: &Cmd) -> RedisResult<T> {
        match self {
            Self::One(connection) => command.query_async(connection).await,
            Self::Cluster(connection) => command.query_async(connection).await,
        }
    }
}

/// The message of Redis or the network, without the data that was sent.
pub(super) fn plain(error: &RedisError) -> String {
    let text = error.to_string();
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(200).collect()
}
