#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0
#
# /init of the VM. MACH_MODE comes from the kernel's command line:
#   test   run the test programs in /tests
#   run    load the module and run /demo/run-demo
#   bench  run /bench/run, which scripts/run-bench.py wrote
#   shell  load the module and give a prompt
#
# ttyS0 is the kernel's console. In the modes test and run, ttyS1 goes to the
# program on the host that started the VM (scripts/vm.py), which reads lines:
#   @ word…   what happens        | text   output of a program
#   # text    kernel log

/bin/busybox mkdir -p /proc /sys /dev /tmp /run /mnt /root /usr
/bin/busybox --install -s /bin
for link in sbin usr/bin usr/sbin; do
	[ -e "/$link" ] || ln -s /bin "/$link"
done
export PATH=/bin HOME=/root
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev 2>/dev/null
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs tmpfs /dev/shm
mount -t tmpfs tmpfs /tmp
mount -t debugfs debugfs /sys/kernel/debug
hostname mach
ln -sf /proc/self/fd /dev/fd
ln -sf /proc/self/fd/0 /dev/stdin
ln -sf /proc/self/fd/1 /dev/stdout
ln -sf /proc/self/fd/2 /dev/stderr
ip link set lo up 2>/dev/null

# The host sees "@ …" lines only, whatever happens to us after this.
control() {
	stty -F /dev/ttyS1 raw -echo
	exec >/dev/ttyS1 2>&1 </dev/null
	echo "@ booted $(uname -r)"
}

case $MACH_MODE in
test)
	control
	/bin/runner /tests/list
	;;
bench)
	control
	sh /bench/run
	echo "@ end $?"
	;;
run)
	control
	if ! insmod /mach.ko 2>/tmp/error; then
		echo "| $(cat /tmp/error)"
		dmesg | tail -n 40 | sed 's/^/# /'
		echo "@ end 1"
	elif [ ! -x /demo/run-demo ]; then
		echo "| the module is loaded, but there is no demo program (/demo/run-demo)"
		echo "@ end 1"
	else
		dmesg -c >/dev/null
		cd /demo || exit
		{ ./run-demo </dev/null 2>&1; echo $? >/tmp/status; } |
			while IFS= read -r line; do echo "| $line"; done
		status=$(cat /tmp/status)
		rmmod mach 2>&1 | sed 's/^/| /'
		if [ "$status" != 0 ] || dmesg | grep -qE 'WARNING:|BUG:|Oops|leaked'; then
			dmesg | sed 's/^/# /'
		fi
		echo "@ end $status"
	fi
	;;
*)
	insmod /mach.ko && loaded="mach.ko is loaded" || loaded="mach.ko did not load"
	cat <<-END

	Linux $(uname -r), $loaded.
	Test programs are in /tests, the demo in /demo, counters in
	/sys/kernel/debug/mach, further modules in /modules. Leave with 'exit',
	or with ctrl-a x at any time.

	END
	cd /root || exit
	PS1='mach# ' setsid cttyhack sh
	;;
esac

sync
reboot -f
