/// One harm that is done at some time of a run.
struct Fault: Sendable {
    /// What is done.
    enum Kind: String, CaseIterable, Sendable {
        case killNode = "kill -9 a node"
        case pauseNode = "SIGSTOP a node"
        case restartSkewed = "restart with another clock"
        case killWorker = "kill -9 a worker"
        case pauseWorker = "SIGSTOP a worker"
        case fullDisk = "full disk of an archive"
        case slowReader = "slow reader"
        case cutNetwork = "network cut"
        case blackHole = "network black hole"
        case killMaster = "kill -9 a master"
        case pauseMaster = "SIGSTOP a master"
        case sleepMaster = "DEBUG SLEEP"
        case killPubSub = "pub/sub connections killed"
        case killReplica = "kill -9 a replica"
        case cutPower = "power cut of Redis"

        /// What it is done to.
        var aim: Aim {
            switch self {
            case .killNode, .pauseNode, .restartSkewed, .fullDisk: .node
            case .killWorker, .pauseWorker: .worker
            case .slowReader: .reader
            case .cutNetwork, .blackHole: .network
            case .killMaster, .pauseMaster, .sleepMaster, .killPubSub, .killReplica, .cutPower: .redis
            }
        }

        /// How many seconds it lasts. With replicas some of it is long enough for a failover.
        func lengths(in options: Options) -> ClosedRange<Double> {
            switch self {
            case .killMaster where options.hasReplicas: 0...8
            case .pauseMaster where options.hasReplicas: 0.5...8
            case .killNode: 0...3
            case .pauseNode: 1...7
            case .killWorker, .restartSkewed: 0...1
            case .pauseWorker: 1...5
            case .fullDisk: 3...8
            case .slowReader: 3...6
            case .cutNetwork: 0.2...6
            case .blackHole: 0.5...4
            case .killMaster, .cutPower, .killReplica: 0...3
            case .pauseMaster: 0.5...4
            case .sleepMaster: 0.3...3
            case .killPubSub: 0...0
            }
        }

        func happens(in options: Options) -> Bool {
            switch self {
            case .killReplica: options.hasReplicas
            case .cutPower: options.promisesNothing
            default: true
            }
        }
    }

    /// What harm is done to. What has the same aim and place gets it one after the other; Redis as a whole does,
    /// because it survives one failure at a time and no more.
    enum Aim: String, Sendable {
        case node, worker, reader, network, redis
    }

    /// Seconds after the start.
    let at: Double
    let kind: Kind
    /// Which node, worker or master, by number.
    let place: Int
    /// How many seconds it lasts.
    let length: Double

    /// What comes one after the other has the same.
    let target: String

    init(at: Double, kind: Kind, place: Int, length: Double, in options: Options) {
        self.at = at
        self.kind = kind
        self.place = place
        self.length = length
        // With replicas, all ways to a master are cut at once: that is a failure of Redis, too.
        let isOfRedis = kind.aim == .redis || (kind.aim == .network && options.hasReplicas)
        self.target = isOfRedis ? "redis" : "\(kind.aim.rawValue) \(place)"
    }

    var description: String {
        let seconds = Int((self.length * 10).rounded())
        return "\(self.kind.rawValue) (\(self.target), \(seconds / 10).\(seconds % 10) s)"
    }
}
