import Foundation

/// What a run is asked for.
struct Options: Sendable {
    /// How the Redis of the run is built.
    enum Topology: String, CaseIterable, Sendable {
        case standalone, sentinel, cluster
    }

    /// When Redis writes to its disk.
    enum Fsync: String, CaseIterable, Sendable {
        case always, everysec
    }

    /// The options were used wrongly.
    struct Wrong: Error {
        let sentence: String
    }

    var topology = Topology.standalone
    var fsync = Fsync.always
    /// For how long faults are injected; to settle takes as long again at the most.
    var seconds = 60
    var seed = UInt64.random(in: 1...999_999)
    /// How many clients live one session after the other.
    var clients = 24
    /// How many replicas stand behind sentinels. `WAIT 1` promises something only where one is all: with two, a master
    /// that was paused goes on for a second with the one that was not promoted, and both of them lose that.
    var replicas = 1
    /// Where the logs of a run go that failed.
    var logs = ".build/chaos"

    /// Whether the laws are broken on purpose before they are checked.
    var isSabotaged = false

    /// What to repeat the run with.
    var title: String {
        "\(self.topology.rawValue), fsync \(self.fsync.rawValue), \(self.seconds) s, seed \(self.seed)"
    }
    /// Whether an acknowledged write may be lost, if that is told.
    var promisesNothing: Bool { self.fsync == .everysec && self.topology == .standalone }
    /// Whether a failover can happen, which loses what no replica has.
    var hasReplicas: Bool { self.topology != .standalone }

    static let help = """
        usage: ops/chaos [option] …

        Runs three nodes on a real Redis with clients and workers, does them harm, and checks from outside that the laws
        hold: by its own history of what was acknowledged, by what readers were given, and by the archives at the end.

          --topology WORD   standalone, sentinel (a master, its replica, three sentinels) or cluster (three masters,
                            each with a replica) (standalone)
          --fsync WORD      always, or everysec: then the last second is also lost in power cuts (always)
          --seconds NUMBER  for how long harm is done (60); starting and settling come on top
          --seed NUMBER     repeats the schedule of another run (random)
          --replicas NUMBER how many replicas the sentinels watch; nodes wait for one, which with two is too few (1)
          --clients NUMBER  how many clients there are; each has about two sessions (24)
          --sabotage        breaks laws on purpose at the end: the run succeeds when the check finds all of that
          --logs FOLDER     where the logs and archives of a run go in which a law was broken (.build/chaos)

        exit code: 0 all laws held; 1 one was broken; 2 the run itself failed; 64 used wrongly
        """

    init(_ arguments: [String]) throws(Wrong) {
        var rest = arguments[...]
        func number(_ name: String, _ text: String, _ range: ClosedRange<UInt64>) throws(Wrong) -> UInt64 {
            guard let number = UInt64(text), range.contains(number) else {
                throw Wrong(sentence: "\(name) takes a number from \(range.lowerBound) to \(range.upperBound)")
            }
            return number
        }
        while let name = rest.popFirst() {
            if name == "--sabotage" {
                self.isSabotaged = true
                continue
            }
            guard let value = rest.popFirst() else { throw Wrong(sentence: "\(name) needs a value, or is no option") }
            switch name {
            case "--topology":
                guard let known = Topology(rawValue: value) else {
                    throw Wrong(sentence: "--topology is standalone, sentinel or cluster, not \(value)")
                }
                self.topology = known
            case "--fsync":
                guard let known = Fsync(rawValue: value) else {
                    throw Wrong(sentence: "--fsync is always or everysec, not \(value)")
                }
                self.fsync = known
            case "--seconds": self.seconds = Int(try number(name, value, 5...86_400))
            case "--seed": self.seed = try number(name, value, 0...UInt64.max)
            case "--replicas": self.replicas = Int(try number(name, value, 1...5))
            case "--clients": self.clients = Int(try number(name, value, 1...500))
            case "--logs": self.logs = value
            default: throw Wrong(sentence: "there is no option \(name)")
            }
        }
    }
}
