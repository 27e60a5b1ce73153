# SPDX-License-Identifier: LGPL-2.1-or-later
# Completion of pvtools(1) for fish. Verbs and their options come from
# `pvtools --help`, so that a new one needs no change here.

function __pvtools_help
    pvtools --help 2>/dev/null | sed -n '/^Verbs:/,/^$/{/^  /p}'
end

function __pvtools_verbs
    __pvtools_help | sed -nE 's/^  ([a-z-]+)( [a-z]+)* (GUEST|\[).*  +(.*)$/\1\t\4/p;t;s/^  ([a-z-]+)( [a-z]+)* (GUEST|\[).*/\1/p'
end

# Words behind the program that are no options, nor an option's value.
function __pvtools_words
    set -l skip 0
    set -l verb ''
    for word in (commandline -opc)[2..-1]
        if test $skip = 1
            set skip 0
        else if contains -- $word -c -o --connect --output --timeout --for --deadline --to --mountpoint --json --size
            set skip 1
        else if contains -- $word --on-panic --on-hang --limit --interval --lost-after --hung-after --boot --frozen --dump --grace --console --crash-dir --mac
            set skip 1
        else if contains -- $word -e -C -u --env --directory --user
            set skip 1
        else if contains -- $word --sockets --qmp --pages --sort --skip --signature --fallback
            set skip 1
        else if not string match -q -- '-*' $word
            test -n "$verb"; or set verb $word
            echo $word
        end
    end
end

function __pvtools_verb
    set -l words (__pvtools_words)
    if contains -- "$words[1]" disk crash net-policy; or begin
            test "$words[1]" = time; and contains -- "$words[2]" get sync
        end
        echo $words[1] $words[2]
    else
        echo $words[1]
    end
end

function __pvtools_wants_verb
    test (count (__pvtools_words)) -eq 0
end

function __pvtools_wants_guest
    set -l words (__pvtools_words)
    set -l before (count (string split ' ' -- (__pvtools_verb)))
    test (count $words) -gt 0; or return 1
    contains -- "$words[1]" list crash net-policy; and return 1
    contains -- $words[1] quiesce snapshot health top watch; and return 0
    test "$words[1]" = disk; and set before 2
    test (count $words) -eq $before
end

function __pvtools_guests
    if type -q virsh
        timeout 2 virsh --readonly --quiet list --name 2>/dev/null | sed '/^$/d; s/^/libvirt:/'
    end
    for socket in /run/qemu-server/*.qga
        echo unix:$socket
    end
    for kind in unix qemu page
        set -l prefix (string match -r "^$kind:.*" -- (commandline -ct))
        if test -n "$prefix"
            __fish_complete_path (string replace $kind: '' -- $prefix) | string replace -r '^' $kind:
        end
    end
    printf '%s\n' unix: vsock: vsock-mux: libvirt: qemu: page:
end

function __pvtools_options
    set -l verb (__pvtools_verb)
    test -n "$verb"; or return
    __pvtools_help | sed -nE "s/^  $verb( GUEST| \\[)/\\1/p" | grep -oE -- '--[a-z][a-z-]*'
end

complete -c pvtools -f
complete -c pvtools -n __pvtools_wants_verb -a '(__pvtools_verbs)'
complete -c pvtools -n '__fish_seen_subcommand_from disk; and test (count (__pvtools_words)) -eq 1' -a grow
complete -c pvtools -n '__fish_seen_subcommand_from crash; and test (count (__pvtools_words)) -eq 1' -a 'list show'
complete -c pvtools -n '__fish_seen_subcommand_from time; and test (count (__pvtools_words)) -eq 1' -a 'get sync'
complete -c pvtools -n '__fish_seen_subcommand_from net-policy; and test (count (__pvtools_words)) -eq 1' -a render
complete -c pvtools -n __pvtools_wants_guest -a '(__pvtools_guests)'
complete -c pvtools -n 'string match -q -- "-*" (commandline -ct)' -a '(__pvtools_options)'
complete -c pvtools -s c -l connect -x -a '(__pvtools_guests)' -d 'the guest'
complete -c pvtools -s o -l output -x -a 'table json' -d 'form of the output'
complete -c pvtools -l timeout -x -d 'seconds to wait'
complete -c pvtools -l no-headers -d 'tables without their first line'
complete -c pvtools -s b -l bytes -d 'sizes in bytes'
complete -c pvtools -s V -l version -d 'print the version'
complete -c pvtools -s h -l help -d 'print a summary'
complete -c pvtools -n 'contains -- --sort (commandline -opc)[-1]' -x -a 'cpu memory load disk io net name'
complete -c pvtools -n 'contains -- --for (commandline -opc)[-1]' -x -a 'agent ip'
complete -c pvtools -n 'contains -- (commandline -opc)[-1] --on-panic --on-hang' -x -a 'none reset poweroff run:'
