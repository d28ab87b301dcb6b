public import SojournLoop

/// How the servers that hold the keys are found.
public enum RedisTopology: Sendable, Hashable, CustomStringConvertible {
    /// One server.
    case standalone(Endpoint)
    /// Sentinels, who know which server is the master of that name.
    case sentinel([Endpoint], master: String)

    /// Some members of a cluster, who know the others.
    case cluster([Endpoint])

    /// For logs.
    public var description: String {
        switch self {
        case .standalone(let endpoint): "\(endpoint)"
        case .sentinel(let sentinels, let master):
            "master \(master) of sentinels \(sentinels.map { "\($0)" }.joined(separator: ","))"
        case .cluster(let seeds): "cluster \(seeds.map { "\($0)" }.joined(separator: ","))"
        }
    }
}
