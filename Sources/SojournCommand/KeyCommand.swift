import SojournServer

/// `sojourn key`: makes an API key. The secret is shown once; the line for the key file holds its digest only.
enum KeyCommand {
    static func run(arguments: [String]) -> CInt {
        guard arguments.count == 2, let name = try? KeySettings.name(arguments[0]),
            let role = Role(rawValue: arguments[1])
        else {
            Console.complain(
                """
                usage: sojourn key NAME ROLE
                  NAME   1 to 64 letters, digits or any of ._-
                  ROLE   one of \(KeySettings.roles)
                """)
            return 64
        }
        let secret = AccessKey.newSecret()
        Console.say(
            """
            the key, which is shown only now:
              \(secret)
            the line for the file that --api-key-file names:
              \(name) \(role.rawValue) \(AccessKey.digest(of: secret))
            """)
        return 0
    }
}
