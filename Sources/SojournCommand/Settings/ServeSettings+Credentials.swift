import SojournLoop
import SojournServer

extension ServeSettings {
    /// The keys and the certificate that the settings name, read from their files now.
    ///
    /// - Parameter echo: the secret of this node's own demonstration worker.
    /// - Throws: an error whose description is a sentence that names the file.
    func credentials(echo: String) throws -> Credentials {
        var credentials = Credentials()
        credentials.accessKeys = try KeySettings.keys(self)
        credentials.tokenKeys = try TokenKeySettings.keys(self)
        credentials.tokenAudience = self.tokenAudience
        // The demonstration worker comes in by the front door, so it needs a key where others do.
        if self.echoAgent != nil, !credentials.accessKeys.isEmpty {
            credentials.accessKeys.append(AccessKey(name: "echo", role: .worker, secret: echo))
        }
        if let certificate = self.tlsCertificate {
            credentials.tls = try TLSContext(certificate: certificate, key: self.tlsKey ?? certificate)
        }
        return credentials
    }

    /// How to reach a Redis over TLS; nil for one that is reached without.
    func redisSecurity(_ address: RedisAddress) throws -> TLSContext? {
        guard address.isSecure else { return nil }
        return try TLSContext(authority: self.redisAuthority, certificate: self.redisCertificate, key: self.redisKey)
    }

    /// `http` or `https`.
    var scheme: String { self.tlsCertificate == nil ? "http" : "https" }
}
