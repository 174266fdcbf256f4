//! What the settings are called.

/// What a setting is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// `data`
    Data,
    /// `http`
    Http,
    /// `mqtt`
    Mqtt,
    /// `public-url`
    PublicUrl,
    /// `dev`
    Dev,
    /// `grant-kind`
    GrantKind,
    /// `grant-strength`
    GrantStrength,
    /// `grant-network`
    GrantNetwork,
    /// `grant-fallback`
    GrantFallback,
    /// `grant-min-strength`
    GrantMinStrength,
    /// `grant-lifetime`
    GrantLifetime,
    /// `grant-lifetime-min`
    GrantLifetimeMin,
    /// `grant-lifetime-max`
    GrantLifetimeMax,
    /// `grant-slowest-link`
    GrantSlowestLink,
    /// `trusted-proxies`
    TrustedProxies,
    /// `poll-interval`
    PollInterval,
    /// `audit-heads`
    AuditHeads,
    /// `log-format`
    LogFormat,
    /// `depot-url`
    DepotUrl,
    /// `depot-endpoint`
    DepotEndpoint,
    /// `depot-public-endpoint`
    DepotPublicEndpoint,
    /// `depot-region`
    DepotRegion,
    /// `depot-path-style`
    DepotPathStyle,
    /// `depot-credentials`
    DepotCredentials,
    /// `depot-role`
    DepotRole,
    /// `depot-sts-endpoint`
    DepotStsEndpoint,
    /// `name`
    Name,
    /// `tls-certificate`
    TlsCertificate,
    /// `tls-key`
    TlsKey,
    /// `tls-oldest`
    TlsOldest,
    /// `ca-certificate`
    CaCertificate,
    /// `ca-key`
    CaKey,
    /// `ca-device-lifetime`
    CaDeviceLifetime,
    /// `ca-renew-grace`
    CaRenewGrace,
    /// `ca-factory`
    CaFactory,
    /// `software-hosts`
    SoftwareHosts,
    /// `software-http`
    SoftwareHttp,
    /// `upload-max`
    UploadMax,
    /// `limits-device-rate`
    LimitsDeviceRate,
    /// `limits-device-burst`
    LimitsDeviceBurst,
    /// `limits-application-rate`
    LimitsApplicationRate,
    /// `limits-application-burst`
    LimitsApplicationBurst,
}

impl Key {
    /// All of them, in the order of the documentation.
    pub const ALL: [Self; 42] = [
        Self::Data,
        Self::Http,
        Self::Mqtt,
        Self::PublicUrl,
        Self::Dev,
        Self::GrantKind,
        Self::GrantStrength,
        Self::GrantNetwork,
        Self::GrantFallback,
        Self::GrantMinStrength,
        Self::GrantLifetime,
        Self::GrantLifetimeMin,
        Self::GrantLifetimeMax,
        Self::GrantSlowestLink,
        Self::TrustedProxies,
        Self::PollInterval,
        Self::AuditHeads,
        Self::LogFormat,
        Self::DepotUrl,
        Self::DepotEndpoint,
        Self::DepotPublicEndpoint,
        Self::DepotRegion,
        Self::DepotPathStyle,
        Self::DepotCredentials,
        Self::DepotRole,
        Self::DepotStsEndpoint,
        Self::Name,
        Self::TlsCertificate,
        Self::TlsKey,
        Self::TlsOldest,
        Self::CaCertificate,
        Self::CaKey,
        Self::CaDeviceLifetime,
        Self::CaRenewGrace,
        Self::CaFactory,
        Self::SoftwareHosts,
        Self::SoftwareHttp,
        Self::UploadMax,
        Self::LimitsDeviceRate,
        Self::LimitsDeviceBurst,
        Self::LimitsApplicationRate,
        Self::LimitsApplicationBurst,
    ];

    /// Returns the name in the file, and of the flag after its dashes, if there is one.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Data => "data",
            Self::Http => "http",
            Self::Mqtt => "mqtt",
            Self::PublicUrl => "public-url",
            Self::Dev => "dev",
            Self::GrantKind => "grant-kind",
            Self::GrantStrength => "grant-strength",
            Self::GrantNetwork => "grant-network",
            Self::GrantFallback => "grant-fallback",
            Self::GrantMinStrength => "grant-min-strength",
            Self::GrantLifetime => "grant-lifetime",
            Self::GrantLifetimeMin => "grant-lifetime-min",
            Self::GrantLifetimeMax => "grant-lifetime-max",
            Self::GrantSlowestLink => "grant-slowest-link",
            Self::TrustedProxies => "trusted-proxies",
            Self::PollInterval => "poll-interval",
            Self::AuditHeads => "audit-heads",
            Self::LogFormat => "log-format",
            Self::DepotUrl => "depot-url",
            Self::DepotEndpoint => "depot-endpoint",
            Self::DepotPublicEndpoint => "depot-public-endpoint",
            Self::DepotRegion => "depot-region",
            Self::DepotPathStyle => "depot-path-style",
            Self::DepotCredentials => "depot-credentials",
            Self::DepotRole => "depot-role",
            Self::DepotStsEndpoint => "depot-sts-endpoint",
            Self::Name => "name",
            Self::TlsCertificate => "tls-certificate",
            Self::TlsKey => "tls-key",
            Self::TlsOldest => "tls-oldest",
            Self::CaCertificate => "ca-certificate",
            Self::CaKey => "ca-key",
            Self::CaDeviceLifetime => "ca-device-lifetime",
            Self::CaRenewGrace => "ca-renew-grace",
            Self::CaFactory => "ca-factory",
            Self::SoftwareHosts => "software-hosts",
            Self::SoftwareHttp => "software-http",
            Self::UploadMax => "upload-max",
            Self::LimitsDeviceRate => "limits-device-rate",
            Self::LimitsDeviceBurst => "limits-device-burst",
            Self::LimitsApplicationRate => "limits-application-rate",
            Self::LimitsApplicationBurst => "limits-application-burst",
        }
    }

    /// Returns the name of the variable.
    pub fn variable(self) -> String {
        format!(
            "REFIT_{}",
            self.name().to_uppercase().replace(['-', '.'], "_")
        )
    }
}
