import Glibc
import SojournCore
import SojournLoop
import SojournStore

/// `sojourn doctor`: says whether nodes can work with a Redis, whether they do, and whether all in it is in order.
enum DoctorCommand {
    static let help = """
        sojourn doctor: examines a Redis and the keyspace in it, and says what to do.

        usage: sojourn doctor [option] … [setting of sojourn serve] …

          --fix          repairs what can be repaired without losing anything
          --no-walk      does not look at every key
          --rate N       keys a second that are looked at, at the most (20000)
          --user NAME    the Redis user of the nodes, if it is another one than the doctor's
          --strict       warnings count as errors
          --json         one JSON object, for programs

        It takes the settings that say where Redis is, as flags, variables or a file: --redis, --namespace, --config;
        without --redis it looks at the private Redis of --data. Nodes may run meanwhile. Beside what nodes need, its
        Redis user needs +pttl, +zscan, +dbsize, +acl|whoami and, to look at rights, +acl|dryrun.

        exit code: 0 in order, or repaired; 1 something is wrong; 2 it could not look; 64 used wrongly
        """

    /// What was asked for.
    struct Request {
        var options = Doctor.Options()
        var isStrict = false
        var isJSON = false
        /// What is meant for the settings of `sojourn serve`.
        var settings: [String] = []

        init(_ arguments: [String]) throws(SettingsError) {
            var rest = arguments[...]
            func value(_ name: String) throws(SettingsError) -> String {
                guard let value = rest.popFirst() else {
                    throw SettingsError(description: "the option \(name) needs a value")
                }
                return value
            }
            while let argument = rest.popFirst() {
                switch argument {
                case "--fix": self.options.repairs = true
                case "--no-walk": self.options.walks = false
                case "--strict": self.isStrict = true
                case "--json": self.isJSON = true
                case "--user": self.options.user = try value(argument)
                case "--rate":
                    guard let rate = Int(try value(argument)), rate > 0 else {
                        throw SettingsError(description: "the option --rate takes a number of keys a second")
                    }
                    self.options.rate = rate
                default: self.settings.append(argument)
                }
            }
        }
    }

    static func run(arguments: [String], environment: [String: String]) async -> CInt {
        if arguments.contains("--help") || arguments.contains("-h") {
            Console.say(self.help)
            return 0
        }
        let request: Request
        let settings: ServeSettings
        do throws(SettingsError) {
            request = try Request(arguments)
            let reader = SettingsReader(environment: environment, readFile: File.text)
            guard case .serve(let read, _) = try reader.read(arguments: request.settings) else { return 0 }
            settings = read
        } catch {
            Console.complain("sojourn: \(error)\ntry: sojourn doctor --help")
            return 64
        }
        do {
            let address = try Self.address(settings, environment: environment)
            let findings = try await Self.examine(settings, address, request)
            if request.isJSON { Self.tellJSON(findings, address) } else { Self.tell(findings, address, settings) }
            let bad: Set<Finding.Weight> = request.isStrict ? [.error, .warning] : [.error]
            return findings.contains { bad.contains($0.weight) && !$0.isRepaired } ? 1 : 0
        } catch {
            Console.complain("sojourn: \((error as? StoreError)?.message ?? "\(error)")")
            return 2
        }
    }

    /// Where Redis is: as the settings say, or in the data folder, whose lock a running node holds.
    private static func address(_ settings: ServeSettings, environment: [String: String]) throws -> RedisAddress {
        if let address = settings.redis { return address }
        guard let path = File.absolute(settings.data) else {
            throw StartError("there is no data folder \(settings.data); say where Redis is with --redis or --data")
        }
        return RedisAddress(unix: try RedisSocket.path(redis: path + "/redis", data: path, environment: environment))
    }

    private static func examine(
        _ settings: ServeSettings, _ address: RedisAddress, _ request: Request
    ) async throws -> [Finding] {
        var configuration = address.storeConfiguration(nodeName: "doctor-\(getpid())")
        configuration.tls = try settings.redisSecurity(address)
        configuration.namespace = settings.namespace
        configuration.partitions = settings.partitions
        configuration.testClock = settings.testClock
        configuration.commandTimeout = 10_000
        let loop = EventLoop(name: "sojourn-doctor")
        defer { loop.stop() }
        let options = request.options
        // A Redis that is away, or slow, must not look like a doctor that does nothing.
        let stage = Locked("waiting for its answers")
        return try await Progress("examining \(address.shown)").during { [configuration] in
            try await loop.run {
                try await Doctor.examine(configuration, on: loop, options: options) { done, total in
                    stage.withLock { $0 = "\(done) of \(total) keys" }
                }
            }
        } _: {
            stage.withLock { $0 }
        }
    }

    private static func tell(_ findings: [Finding], _ address: RedisAddress, _ settings: ServeSettings) {
        var lines = ["\(address.shown), namespace \(settings.namespace)"]
        for finding in findings {
            let word = finding.isRepaired ? "repaired" : finding.weight == .fine ? "ok" : finding.weight.rawValue
            lines.append("  " + word + String(repeating: " ", count: 10 - word.utf8.count) + finding.sentence)
            if let advice = finding.advice { lines.append("            → " + advice) }
        }
        func count(_ weight: Finding.Weight) -> Int { findings.count { $0.weight == weight && !$0.isRepaired } }
        let repaired = findings.count(where: \.isRepaired)
        func number(_ count: Int, _ word: String) -> String { "\(count) \(word)" + (count == 1 ? "" : "s") }
        lines.append(
            number(count(.error), "error") + ", " + number(count(.warning), "warning")
                + (repaired > 0 ? ", \(repaired) repaired" : ""))
        Console.say(lines.joined(separator: "\n"))
    }

    private static func tellJSON(_ findings: [Finding], _ address: RedisAddress) {
        let list = findings.map { finding -> JSON in
            var object: JSONObject = [
                "weight": .string(finding.weight.rawValue), "sentence": .string(finding.sentence),
            ]
            if let advice = finding.advice { object["advice"] = .string(advice) }
            if finding.isRepaired { object["repaired"] = true }
            return .object(object)
        }
        Console.say(JSON.object(["redis": .string(address.shown), "findings": .array(list)]).text)
    }
}
