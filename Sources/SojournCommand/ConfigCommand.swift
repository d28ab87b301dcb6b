/// `sojourn config show`: the settings that `sojourn serve` with these arguments would have, and where each comes from.
enum ConfigCommand {
    static let help = "usage: sojourn config show [--setting value] …   with the settings of sojourn serve"

    static func run(arguments: [String], environment: [String: String]) -> CInt {
        if arguments.contains("--help") || arguments.contains("-h") {
            Console.say(self.help)
            return 0
        }
        guard arguments.first == "show" else {
            Console.complain(self.help)
            return 64
        }
        let reader = SettingsReader(environment: environment, readFile: File.text)
        do throws(SettingsError) {
            Console.say(try reader.shown(arguments: Array(arguments.dropFirst())).joined(separator: "\n"))
            return 0
        } catch {
            Console.complain("sojourn: \(error)")
            return 64
        }
    }
}
