# An image out of arguments that are checked against `type`. What `contents` and
# the commands make is a derivation of its own (root.sh), whose entries become the
# image's own files.
{ pkgs, cooper }:
{
  function,
  arguments,
  # What comes to `/`, and how: see root.sh.
  contents,
  how,
  uid ? 0,
  gid ? 0,
  # More of what native.nix reads.
  settings ? { },
}:
let
  inherit (import ../types.nix) insist;
  shown =
    if builtins.isAttrs arguments && builtins.isString (arguments.name or null) then
      "${function} ${builtins.toJSON arguments.name}"
    else
      function;
  native =
    assert insist shown ((import ./arguments.nix).${function}.check "" arguments);
    import ./native.nix (arguments // settings);
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
      cooper = "${cooper.cooper-core}/bin/cooper";
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
  ) (builtins.readFile ./root.sh);

  image =
    tag:
    let
      tagged = native // {
        inherit tag;
      };
      spec =
        assert insist shown ((import ../arguments.nix).image.check "" tagged);
        import ../spec.nix { inherit pkgs cooper; } tagged;
    in
    import ../image.nix { inherit pkgs cooper; } {
      inherit spec;
      configFragments = map (item: "${item}") (arguments.configFragments or [ ]);
      trees = if given == [ ] && extraCommands == "" && fakeRootCommands == "" then [ ] else [ root ];
      siblings = { };
      meta = arguments.meta or { };
      passthru = arguments.passthru or { };
    };

  # Without a tag, nixpkgs takes the hash of an output path. The spec that has no tag of
  # its own yet has one, and it changes with all that the image is made of.
  hash = builtins.substring 0 32 (
    baseNameOf (builtins.unsafeDiscardStringContext (image "latest").spec.outPath)
  );
in
image (if (arguments.tag or null) == null then hash else arguments.tag)
