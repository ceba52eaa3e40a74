# Builds an image from checked arguments. A separate derivation (root.sh) lays out the files of
# `contents` and of the commands, which become the image's own files.
{ pkgs, cooper }:
{
  function,
  arguments,
  # The derivation's attributes that overrideAttrs changed.
  attributes,
  # What comes to `/`, and how: see root.sh.
  contents,
  how,
  uid ? 0,
  gid ? 0,
  # More of what translate-args.nix reads.
  settings ? { },
}:
let
  inherit (import ../types.nix) throwUnlessValid problem;
  script = import ./script.nix;
  shown =
    if builtins.isAttrs arguments && builtins.isString (arguments.name or null) then
      "${function} ${builtins.toJSON arguments.name}"
    else
      function;
  native =
    assert throwUnlessValid shown ((import ./arguments.nix).${function}.check "" arguments ++ withoutStore);
    import ./translate-args.nix (arguments // settings);
  includeNixDB = arguments.includeNixDB or false == true;
  withoutStore =
    if includeNixDB && arguments.includeStorePaths or true == false then
      problem "includeNixDB" "`includeStorePaths = false` leaves no store paths for a database"
    else
      [ ];
  name = baseNameOf native.name;

  given = if contents == null then [ ] else if builtins.isList contents then contents else [ contents ];
  extraCommands = arguments.extraCommands or "";
  fakeRootCommands = arguments.fakeRootCommands or "";
  root = pkgs.runCommand "${name}-root" (
    {
      contents = map (item: "${item}") given;
      inherit extraCommands how;
      owner = [
        "--uid"
        (toString uid)
        "--gid"
        (toString gid)
      ];
      cooper = "${cooper.cooper}/bin/cooper";
    }
    // (
      if fakeRootCommands == "" then
        { }
      else
        {
          inherit fakeRootCommands;
          fakeroot = "${pkgs.buildPackages.fakeroot}/bin/fakeroot";
        }
    )
  ) (script ./root.sh);

  rootTrees = if given == [ ] && extraCommands == "" && fakeRootCommands == "" then [ ] else [ root ];

  # Of what the image would be without it.
  database = pkgs.runCommand "${name}-nix-db" {
    inherit (image [ ] "latest") spec;
    cooper = "${cooper.cooper}/bin/cooper";
    jq = "${pkgs.buildPackages.jq}/bin/jq";
    nixStore = "${pkgs.buildPackages.nix}/bin/nix-store";
    sqlite = "${pkgs.buildPackages.sqlite}/bin/sqlite3";
  } (script ./nix-db.sh);
  databaseTrees = if includeNixDB then [ database ] else [ ];

  image =
    more: tag:
    let
      tagged = native // {
        inherit tag;
      };
      spec =
        assert throwUnlessValid shown ((import ../arguments.nix).image.check "" tagged);
        import ../spec.nix { inherit pkgs cooper; } tagged;
    in
    import ../image.nix { inherit pkgs cooper; } {
      inherit spec;
      configFragments = map (item: "${item}") (arguments.configFragments or [ ]);
      trees = rootTrees ++ more;
      siblings = { };
      meta = arguments.meta or { };
      passthru = arguments.passthru or { };
      inherit attributes;
    };

  # Without a tag, nixpkgs takes the hash of an output path. The spec that has no tag of
  # its own yet has one, and it changes with all that the image is made of.
  hash = builtins.substring 0 32 (
    baseNameOf (builtins.unsafeDiscardStringContext (image databaseTrees "latest").spec.outPath)
  );
in
builtins.seq native image databaseTrees (if (arguments.tag or null) == null then hash else arguments.tag)
