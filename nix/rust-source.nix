# The source of a cargo workspace of ours: the name that it has in the store, the directory, and
# the names that are left out wherever they are in it.
{
  source,
  workspace,
  without,
}:
import ./source.nix {
  name = source;
  path = workspace;
  filter = path: _: !(builtins.elem (baseNameOf path) without);
}
