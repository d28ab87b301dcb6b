import SojournCore
import SojournLoop

/// `sojourn agent echo`: a demonstration worker.
enum AgentCommand {
    static let help = """
        usage: sojourn agent echo --agent <id> [--url http://127.0.0.1:3000] [--api-key KEY]

        claims the turns of an agent over HTTP and says back what it was told; the URL may be unix:/path. The key may also come
        from SOJOURN_API_KEYS, of which it takes the first.
        """

    /// Runs until a signal; returns the exit code.
    static func run(arguments: [String], environment: [String: String]) async -> CInt {
        if arguments.contains("--help") || arguments.contains("-h") {
            Console.say(self.help)
            return 0
        }
        guard arguments.first == "echo", let options = self.options(Array(arguments.dropFirst())),
            let agent = options["--agent"].flatMap({ UUIDBits($0) }),
            let address = HTTPCall.Address(url: options["--url"] ?? "http://127.0.0.1:3000")
        else {
            Console.complain(self.help)
            return 64
        }
        let keys = environment["SOJOURN_API_KEYS"].nonEmpty?.split(separator: ",").map { $0.trimmed }
        let log = Log.lines(to: 2, minimum: .info, format: .logfmt)
        let loop = EventLoop(name: "sojourn-echo")
        let signals = Signals()
        let worker = Confined(
            EchoWorker(
                loop: loop, address: address, key: options["--api-key"] ?? keys?.first, agent: agent.text, log: log),
            to: loop)
        loop.execute { loop.spawn { await worker.value.run() } }
        log(.info, "the echo worker claims turns", ["agent.id": agent.text, "url": "\(address.endpoint)"])
        _ = await signals.first()
        try? await loop.run { await worker.value.stop() }
        return 0
    }

    /// `--name value` and `--name=value`; nil for anything else.
    private static func options(_ arguments: [String]) -> [String: String]? {
        let known = ["--agent", "--url", "--api-key"]
        var options: [String: String] = [:]
        var rest = arguments[...]
        while let word = rest.popFirst() {
            let halves = word.split(separator: "=", maxSplits: 1).map(String.init)
            guard let name = halves.first, known.contains(name) else { return nil }
            guard let value = halves.count == 2 ? halves[1] : rest.popFirst() else { return nil }
            options[name] = value
        }
        return options
    }
}
