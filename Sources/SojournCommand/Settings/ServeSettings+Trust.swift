import SojournServer

/// Who may do what, and how much.
extension ServeSettings {
    static let trust: [Setting] = [
        Setting(
            name: "api-keys", aliases: ["ELIZA_SERVER_AUTH_TOKEN"], placeholder: "KEY,…", standard: "none",
            help: "keys of which every request needs one: NAME:ROLE:SECRET, or a secret that opens everything",
            shown: { _ in "(not shown)" },
            apply: { $0.apiKeys = try KeySettings.keys($1) }),
        Setting(
            name: "api-key-file", placeholder: "FILE", standard: "none",
            help: "a file of such keys, with the digests of their secrets; sojourn key makes its lines"
        ) { $0.apiKeyFile = try Rule.path($1) },
        Setting(
            name: "token-keys", placeholder: "KEY,…", standard: "none",
            help:
                "keys of session tokens, KID:HS256:SECRET, KID:EdDSA:SEED or KID:EdDSA-public:KEY; the first one signs",
            shown: { _ in "(not shown)" },
            apply: { $0.tokenKeys = try TokenKeySettings.keys($1) }),
        Setting(
            name: "token-key-file", placeholder: "FILE", standard: "none",
            help: "a file of such keys, one a line with spaces for colons; sojourn key makes its lines"
        ) { $0.tokenKeyFile = try Rule.path($1) },
        Setting(
            name: "token-audience", placeholder: "WORD", standard: "sojourn",
            help: "whom session tokens are for; nodes that trust each other's tokens have the same"
        ) { $0.tokenAudience = try Rule.word($1, upTo: 128, alsoAllowed: "._-:/") },
        Setting(
            name: "rate-limits", placeholder: "RULE,…", standard: "none",
            help: "such as user.write=60/m:10 (key, user, session or address; read, write or heartbeat; a burst of 10)"
        ) {
            guard $0.rateRules.add($1), !$0.rateRules.isEmpty else {
                throw Rule("rules such as key.read=1000/s,user.write=60/m:10")
            }
        },
        Setting(
            name: "sessions-per-user", placeholder: "NUMBER", standard: "any number",
            help: "how many live sessions a user may have"
        ) { $0.sessionsPerUser = try Rule.integer($1, 1...1_000_000) },
        Setting(
            name: "max-streams", placeholder: "NUMBER", standard: "100000", help: "how many live streams this node has"
        ) { $0.streams = try Rule.integer($1, 1...10_000_000) },
        Setting(
            name: "max-streams-per-address", placeholder: "NUMBER", standard: "10000",
            help: "how many of them one client address may have"
        ) { $0.streamsPerAddress = try Rule.integer($1, 1...10_000_000) },
        Setting(
            name: "max-connections", placeholder: "NUMBER", standard: "10000",
            help: "how many connections each event loop has; one more closes idle ones, or is refused"
        ) { $0.connections = try Rule.integer($1, 1...1_000_000) },
        Setting(
            name: "max-body-bytes", placeholder: "NUMBER", standard: "1048576", help: "the largest request body"
        ) { $0.bodyBytes = try Rule.integer($1, 1024...(1 << 28)) },
        Setting(
            name: "trusted-proxies", placeholder: "RANGE,…", standard: "none",
            help: "addresses (10.0.0.0/8) of proxies whose X-Forwarded-For names the client; unix is those of --listen"
        ) { settings, text in
            settings.trustedProxies = try text.split(separator: ",").map { part in
                guard let range = AddressRange(part.trimmed) else {
                    throw Rule("addresses or ranges such as 10.0.0.0/8, or unix")
                }
                return range
            }
        },
        Setting(
            name: "tls-cert", placeholder: "FILE", standard: "none: plain HTTP",
            help: "the certificate chain (PEM) with which clients are served over TLS; read again on SIGHUP"
        ) { $0.tlsCertificate = try Rule.path($1) },
        Setting(
            name: "tls-key", placeholder: "FILE", standard: "the file of --tls-cert", help: "its private key (PEM)"
        ) { $0.tlsKey = try Rule.path($1) },
        Setting(
            name: "redis-ca", placeholder: "FILE", standard: "what the system trusts",
            help: "who may sign the certificate of a rediss:// server (PEM)"
        ) { $0.redisAuthority = try Rule.path($1) },
        Setting(
            name: "redis-cert", placeholder: "FILE", standard: "none",
            help: "the certificate that this node shows to a rediss:// server (PEM)"
        ) { $0.redisCertificate = try Rule.path($1) },
        Setting(
            name: "redis-key", placeholder: "FILE", standard: "the file of --redis-cert", help: "its private key (PEM)"
        ) { $0.redisKey = try Rule.path($1) },
        Setting(
            name: "cors-origins", placeholder: "ORIGIN,…", standard: "none",
            help: "web pages whose scripts may call this node, such as https://chat.example; * for all"
        ) { settings, text in
            settings.corsOrigins = try text.split(separator: ",").map { part in
                guard let origin = CORSPolicy.origin(part.trimmed) else {
                    throw Rule("origins such as https://chat.example, or *")
                }
                return origin
            }
        },
    ]
}
