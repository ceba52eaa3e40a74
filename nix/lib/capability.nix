# The type of a file's capabilities in the syntax of setcap: names, `=` or `+`, and flags.
types:
let
  suggest = import ./suggest.nix;
  toLower = import ./to-lower.nix;

  # capabilities(7); src/spec/capability.rs has the same names.
  names = [
    "cap_chown"
    "cap_dac_override"
    "cap_dac_read_search"
    "cap_fowner"
    "cap_fsetid"
    "cap_kill"
    "cap_setgid"
    "cap_setuid"
    "cap_setpcap"
    "cap_linux_immutable"
    "cap_net_bind_service"
    "cap_net_broadcast"
    "cap_net_admin"
    "cap_net_raw"
    "cap_ipc_lock"
    "cap_ipc_owner"
    "cap_sys_module"
    "cap_sys_rawio"
    "cap_sys_chroot"
    "cap_sys_ptrace"
    "cap_sys_pacct"
    "cap_sys_admin"
    "cap_sys_boot"
    "cap_sys_nice"
    "cap_sys_resource"
    "cap_sys_time"
    "cap_sys_tty_config"
    "cap_mknod"
    "cap_lease"
    "cap_audit_write"
    "cap_audit_control"
    "cap_setfcap"
    "cap_mac_override"
    "cap_mac_admin"
    "cap_syslog"
    "cap_wake_alarm"
    "cap_block_suspend"
    "cap_audit_read"
    "cap_perfmon"
    "cap_bpf"
    "cap_checkpoint_restore"
  ];

  form =
    types.strMatching
      "capabilities in the syntax of setcap, such as \"cap_net_bind_service=ep\""
      "[A-Za-z_]+(,[A-Za-z_]+)*(=[+]?|[+])[eip]+";

  # The names and the flags.
  parts = text: builtins.match "([^=+]+)[=+]+([eip]+)" text;
  namesOf =
    text: builtins.filter builtins.isString (builtins.split "," (builtins.elemAt (parts text) 0));
  has = flag: text: builtins.match ".*${flag}.*" (builtins.elemAt (parts text) 1) != null;
  suggestion =
    name:
    let
      suggested = suggest name names;
      isSimilar = builtins.match "; did you mean .*" suggested != null;
    in
    if isSimilar then suggested else "; capabilities(7) has a list";
in
{
  inherit (form) expects;
  check =
    where: value:
    let
      problems = form.check where value;
      unknown = builtins.filter (name: !builtins.elem (toLower name) names) (namesOf value);
    in
    if problems != [ ] then
      problems
    else
      builtins.concatMap (
        name: types.problem where "unknown capability `${name}`${suggestion (toLower name)}"
      ) unknown
      ++ (
        if has "p" value || has "i" value then
          [ ]
        else
          types.problem where "the flag `e` has no effect without `p` or `i`; write `=ep`"
      );

  # The kernel stores one effective flag for all capabilities of a file.
  together =
    where: values:
    let
      valid = builtins.filter (value: form.check where value == [ ]) values;
      effective = builtins.filter (has "e") valid;
    in
    if !builtins.isList values || effective == [ ] || effective == valid then
      [ ]
    else
      types.problem where "either all capabilities of a file have the flag `e`, or none of them";
}
