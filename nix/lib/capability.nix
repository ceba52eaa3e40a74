# The type of a file's capabilities, as setcap takes them: names, `=` or `+`, and flags.
types:
let
  near = import ./suggest.nix;
  toLower = import ./to-lower.nix;

  # capabilities(7); cooper's src/spec/capability.rs has the same ones.
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
      "capabilities as setcap writes them, such as \"cap_net_bind_service=ep\""
      "[A-Za-z_]+(,[A-Za-z_]+)*(=[+]?|[+])[eip]+";

  # The names and the flags of a text of that form.
  parts = text: builtins.match "([^=+]+)[=+]+([eip]+)" text;
  namesOf =
    text: builtins.filter builtins.isString (builtins.split "," (builtins.elemAt (parts text) 0));
  has = flag: text: builtins.match ".*${flag}.*" (builtins.elemAt (parts text) 1) != null;
  suggestion =
    name:
    let
      nearest = near.suggest name names;
      isNear = builtins.match "; did you mean .*" nearest != null;
    in
    if isNear then nearest else "; capabilities(7) lists them";
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
        name: types.problem where "there is no capability `${name}`${suggestion (toLower name)}"
      ) unknown
      ++ (
        if has "p" value || has "i" value then
          [ ]
        else
          types.problem where "the flag `e` without `p` or `i` gives a program nothing; write `=ep`"
      );

  # A file has one effective flag, not one for each capability.
  together =
    where: values:
    let
      known = builtins.filter (value: form.check where value == [ ]) values;
      effective = builtins.filter (has "e") known;
    in
    if !builtins.isList values || effective == [ ] || effective == known then
      [ ]
    else
      types.problem where "all of them must have the flag `e`, or none of them";
}
