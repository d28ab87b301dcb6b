import Glibc
import SojournCore
import SojournLoop
import SojournStore

extension ArchiveVerb {
    /// `sojourn archive adopt`: what a lost archivist had in hand goes to the others.
    static let adopt = ArchiveVerb(
        name: "adopt", summary: "gives the sessions of an archivist that is lost to those that live",
        options: [
            Option(name: "from", placeholder: "ID", help: "the archivist that is lost: 16 hexadecimal digits"),
            Option(name: "redis", placeholder: "URL", help: "the Redis of the nodes; also SOJOURN_REDIS"),
            Option(
                name: "redis-ca", placeholder: "FILE",
                help: "who may sign the certificate of a rediss:// server (PEM); also SOJOURN_REDIS_CA"),
            Option(
                name: "redis-cert", placeholder: "FILE",
                help: "the certificate to show to a rediss:// server (PEM); also SOJOURN_REDIS_CERT"),
            Option(
                name: "redis-key", placeholder: "FILE",
                help: "its private key (PEM), if not in the same file; also SOJOURN_REDIS_KEY"),
            Option(name: "namespace", placeholder: "NAME", help: "the first part of every key (sj)"),
            Option(name: "partitions", placeholder: "N", help: "the partitions of the keyspace (256)"),
        ],
        details: """
            Sessions that it had only claimed are free at once; live ones that it followed are followed by another
            one. It says which transcripts, or beginnings of transcripts, only that archive had: they are missing from
            now on. Its node must be stopped; another archiving node must run. If the file turns up again, start a
            node with it: what it holds is served again.
            """,
        needsArchive: false
    ) { arguments in
        guard let archivist = arguments["from"] else {
            throw ArchiveArguments.Wrong(description: "sojourn archive adopt needs --from, the archivist that is lost")
        }
        let settings = try Self.settings(arguments)
        guard let redis = settings.redis else {
            throw ArchiveArguments.Wrong(description: "sojourn archive adopt needs --redis, or SOJOURN_REDIS")
        }
        var configuration = redis.storeConfiguration(nodeName: "adopt-\(getpid())")
        configuration.tls = try settings.redisSecurity(redis)
        configuration.namespace = settings.namespace
        configuration.partitions = settings.partitions
        let log = Log.lines(to: 2, minimum: .warning, format: settings.logFormat)
        let loop = EventLoop(name: "sojourn-adopt")
        defer { loop.stop() }
        let report = try await loop.run { [configuration] in
            let shard = StoreShard(loop: loop, configuration: configuration, archive: nil, log: log)
            defer { shard.close() }
            try await shard.start()
            return Self.text(try await shard.adopt(from: archivist), from: archivist)
        }
        Console.say(report)
        return 0
    }

    private static func settings(_ arguments: ArchiveArguments) throws -> ServeSettings {
        var flags: [String] = []
        for name in ["redis", "redis-ca", "redis-cert", "redis-key", "namespace", "partitions"] {
            if let value = arguments[name] { flags += ["--" + name, value] }
        }
        guard
            case .serve(let settings, _) = try SettingsReader(
                environment: Environment.variables, readFile: File.text
            ).read(arguments: flags)
        else { return ServeSettings() }
        return settings
    }

    private static func text(_ adoption: Adoption, from archivist: String) -> String {
        var lines = [
            "archivist \(archivist) is given up",
            "  sessions that it had in hand  \(adoption.taken), now with \(adoption.heirs.joined(separator: ", "))",
            "  without their beginning       \(adoption.truncated.count)",
        ]
        lines += adoption.truncated.map { "    \($0.id)  events 1 to \($0.missing) are missing" }
        lines.append("  transcripts that are lost     \(adoption.lost.count), of sessions that ended lately")
        lines += adoption.lost.map { "    \($0)" }
        return lines.joined(separator: "\n")
    }
}
