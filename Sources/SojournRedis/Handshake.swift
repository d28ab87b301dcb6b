/// What is said on a new connection before any command: identity, checks, scripts; all in one write.
struct Handshake {
    enum Outcome: Equatable {
        case more
        /// The server can be used; the replication id is nil when nothing was checked.
        case ready(isMaster: Bool, replid: String?)
        /// It cannot, until a person changes something.
        case refused(String)
        /// Not at the moment.
        case later(String)
    }

    private enum Step {
        case auth
        case select
        case setName
        case infoServer
        case infoReplication
        case configPolicy
        case infoMemory
        case load(Script)
    }

    /// The commands to send, in order.
    let commands: [[String]]
    private var steps: ArraySlice<Step>
    private var replication: ServerInfo?
    private var policy: String?
    private let isClusterMember: Bool

    /// With `checks` the server's version, role and settings are looked at and the scripts loaded.
    init(_ options: RedisOptions, checks: Bool) {
        self.isClusterMember = options.isClusterMember
        var plan: [(Step, [String])] = []
        if let password = options.password {
            plan.append((.auth, ["AUTH"] + (options.user.map { [$0] } ?? []) + [password]))
        }
        if checks && options.database != 0 { plan.append((.select, ["SELECT", "\(options.database)"])) }
        if let name = options.clientName { plan.append((.setName, ["CLIENT", "SETNAME", name])) }
        if checks {
            // One section each: older servers, which are to be refused in words, take only one.
            plan.append((.infoServer, ["INFO", "server"]))
            plan.append((.infoReplication, ["INFO", "replication"]))
            plan.append((.configPolicy, ["CONFIG", "GET", "maxmemory-policy"]))
            plan.append((.infoMemory, ["INFO", "memory"]))
            plan += options.scripts.map { (.load($0), ["SCRIPT", "LOAD", $0.source]) }
        }
        self.steps = plan.map(\.0)[...]
        self.commands = plan.map(\.1)
    }

    /// The outcome when there is nothing to say at all.
    var begin: Outcome { self.steps.isEmpty ? .ready(isMaster: true, replid: nil) : .more }

    mutating func receive(_ reply: RESPValue) -> Outcome {
        guard let step = self.steps.popFirst() else { return .later("a reply that nobody asked for") }
        if case .error(let error) = reply, let outcome = Self.failure(of: step, error) { return outcome }
        switch step {
        case .auth, .select, .setName: break
        case .infoServer:
            let info = ServerInfo(reply.string ?? "")
            if let refusal = info.versionRefusal ?? info.modeRefusal(inCluster: self.isClusterMember) {
                return .refused(refusal)
            }
        case .infoReplication: self.replication = ServerInfo(reply.string ?? "")
        case .configPolicy:
            if let pair = reply.array, pair.count == 2 { self.policy = pair[1].string }
        case .infoMemory:
            let policy = self.policy ?? ServerInfo(reply.string ?? "")["maxmemory_policy"]
            if let refusal = ServerInfo.policyRefusal(policy) { return .refused(refusal) }
        case .load(let script):
            if reply.string != script.sha1 {
                return .refused("the server computes another SHA-1 for script \(script.name)")
            }
        }
        guard self.steps.isEmpty else { return .more }
        return .ready(isMaster: self.replication?.isMaster ?? true, replid: self.replication?["master_replid"])
    }

    private static func failure(of step: Step, _ error: RESPErrorReply) -> Outcome? {
        if ["LOADING", "BUSY", "MASTERDOWN", "TRYAGAIN"].contains(error.code) || error.message.contains("max number of")
        {
            return .later(error.message)
        }
        if error.code == "NOAUTH" { return .refused("the server asks for a password, and none is set") }
        return switch step {
        case .auth: .refused("the server does not accept the user or password: \(error.message)")
        case .select: .refused("the server does not open the database: \(error.message)")
        // A name is a courtesy, and CONFIG has a substitute.
        case .setName, .configPolicy: nil
        case .infoServer, .infoReplication, .infoMemory: .refused("the server does not allow INFO: \(error.message)")
        case .load(let script): .refused("the server does not load script \(script.name): \(error.message)")
        }
    }
}
