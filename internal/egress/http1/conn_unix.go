//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package http1

import "syscall"

// nothingToRead reports whether a read on the non-blocking socket fd would wait. It consumes no bytes.
func nothingToRead(fd uintptr) bool {
	var b [1]byte
	_, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK)
	return err == syscall.EAGAIN || err == syscall.EINTR
}

// somethingToRead reports whether bytes have arrived on the non-blocking socket fd. It consumes none.
func somethingToRead(fd uintptr) bool {
	var b [1]byte
	n, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK)
	return err == nil && n > 0
}
