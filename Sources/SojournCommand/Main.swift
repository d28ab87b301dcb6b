import Glibc

@main
struct Main {
    /// Exit codes: 0 done, 1 could not run, 64 used wrongly (EX_USAGE of sysexits.h).
    static func main() async {
        exit(await self.run(Array(CommandLine.arguments.dropFirst()), environment: Environment.variables))
    }

    private static func run(_ arguments: [String], environment: [String: String]) async -> CInt {
        let rest = Array(arguments.dropFirst())
        ProcessTitle.hide(["--api-keys", "--token-keys", "--redis", "--key"])
        switch arguments.first {
        case "serve": return await ServeCommand.run(arguments: rest, environment: environment)
        case "agent": return await AgentCommand.run(arguments: rest, environment: environment)
        case "config": return ConfigCommand.run(arguments: rest, environment: environment)
        case "key": return KeyCommand.run(arguments: rest)
        case "bench": return await BenchCommand.run(arguments: rest, environment: environment)
        case "archive": return await ArchiveCommand.run(arguments: rest, environment: environment)
        case "doctor": return await DoctorCommand.run(arguments: rest, environment: environment)
        case "version", "--version":
            Console.say("sojourn \(version)")
            return 0
        case "help", "--help", "-h":
            let topics = [
                "serve": SettingsHelp.text, "agent": AgentCommand.help, "bench": BenchOptions.help,
                "doctor": DoctorCommand.help, "archive": ArchiveCommand.help, "key": KeyCommand.help,
                "config": ConfigCommand.help,
            ]
            Console.say(rest.first.flatMap { topics[$0] } ?? self.help)
            return 0
        case nil:
            Console.complain(self.help)
            return 64
        case let word?:
            let hint = Nearest.hint(
                word, among: ["serve", "agent", "archive", "config", "doctor", "key", "bench", "help", "version"],
                prefix: "")
            Console.complain("sojourn: there is no command \(word)\(hint)\ntry: sojourn help")
            return 64
        }
    }

    private static let help = """
        sojourn keeps conversations alive: a session store for chat backends and agents, on Redis.

        usage: sojourn <command>

          serve      runs a node; sojourn serve --help lists its settings
          agent      runs a demonstration worker; sojourn agent --help says how
          archive    searches, exports, checks and repairs an archive; sojourn archive --help
          bench      loads a node and measures what its operations cost; sojourn bench --help
          config     config show tells the settings that serve would have, and where each comes from
          doctor     examines a Redis and the keyspace in it; sojourn doctor --help
          key        makes an API key: sojourn key NAME ROLE
          version    prints the version
          help       prints this
        """
}
