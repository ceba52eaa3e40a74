# The functions of nixpkgs' `lib` that cooper's documentation uses.
rec {
  makeOverridable = import ./make-overridable.nix;

  # The program of a package.
  getExe = package: getExe' package (package.meta.mainProgram or package.pname);
  getExe' = package: program: "${getBin package}/bin/${program}";

  # The output with programs, and the one with libraries.
  getBin = package: package.bin or package.out or package;
  getLib = package: package.lib or package.out or package;

  genAttrs =
    names: make:
    builtins.listToAttrs (
      map (name: {
        inherit name;
        value = make name;
      }) names
    );
  optionalAttrs = condition: attributes: if condition then attributes else { };
  optionals = condition: list: if condition then list else [ ];
}
