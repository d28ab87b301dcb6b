import SojournServer

/// `sojourn key`: makes an API key, whose secret is shown once while the line for the key file holds its digest only, or
/// a key that signs session tokens.
enum KeyCommand {
    static func run(arguments: [String]) -> CInt {
        if arguments.contains("--help") || arguments.contains("-h") {
            Console.say(self.help)
            return 0
        }
        guard arguments.count == 2, let name = try? KeySettings.name(arguments[0]) else { return Self.usage() }
        switch arguments[1] {
        case "HS256", "EdDSA":
            // Both take 256 random bits.
            Console.say("\(name) \(arguments[1]) \(AccessKey.newSecret(prefix: ""))")
        case let word:
            guard let role = Role(rawValue: word) else { return Self.usage() }
            let secret = AccessKey.newSecret()
            Console.say(
                """
                the key, which is shown only now:
                  \(secret)
                the line for the file that --api-key-file names:
                  \(name) \(role.rawValue) \(AccessKey.digest(of: secret))
                """)
        }
        return 0
    }

    static let help = """
        usage: sojourn key NAME ROLE       makes an API key: \(KeySettings.roles)
               sojourn key NAME HS256      makes a key for session tokens, a line for --token-key-file
               sojourn key NAME EdDSA
          NAME   1 to 64 letters, digits or any of ._-
        """

    private static func usage() -> CInt {
        Console.complain(self.help)
        return 64
    }
}
