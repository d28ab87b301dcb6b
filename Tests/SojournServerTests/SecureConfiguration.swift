import SojournLoop
import SojournRedis
import SojournServer
import SojournStore
import SojournTesting

extension StoreConfiguration {
    /// How to reach the Redis of a test: by its socket, or over TLS in a secure run.
    init(reaching redis: RedisServer, nodeName: String) throws {
        guard let certificate = SecureRun.certificate else {
            self.init(redis: redis.topology, nodeName: nodeName)
            return
        }
        self.init(endpoint: redis.secureEndpoint, nodeName: nodeName)
        self.tls = try TLSContext(
            authority: certificate.file, certificate: certificate.file, key: certificate.key)
        if let login = SecureRun.login { (self.user, self.password) = login }
    }
}

extension ServerConfiguration {
    /// A node of a test, on a free port.
    static func forTests() throws -> ServerConfiguration {
        var configuration = ServerConfiguration()
        configuration.port = 0
        // Clients of tests do not answer a close; a drain waits for them.
        configuration.drainLimit = 500
        if let certificate = SecureRun.certificate {
            configuration.credentials.tls = try TLSContext(certificate: certificate.file, key: certificate.key)
        }
        return configuration
    }
}

extension RedisServer {
    /// How nodes reach it in this run.
    var topology: RedisTopology {
        if let sentinel = self.sentinel { return .sentinel([sentinel], master: SentinelBed.name) }
        return self.members.isEmpty ? .standalone(self.endpoint) : .cluster(self.members)
    }
}
