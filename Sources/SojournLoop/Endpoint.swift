/// Where a stream connects to.
public enum Endpoint: Sendable, Hashable, CustomStringConvertible {
    /// A host name or numeric address, and a port. The name is resolved anew for each connection.
    case tcp(host: String, port: Int)
    /// A Unix domain socket. Linux allows paths of at most 107 bytes.
    case unix(path: String)

    /// `host:port`, `[v6 address]:port` or `unix:path`, for logs.
    public var description: String {
        switch self {
        case .tcp(let host, let port): host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
        case .unix(let path): "unix:\(path)"
        }
    }
}
