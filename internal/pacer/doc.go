// Package pacer waits for events until an instant, and is on time: it sleeps
// until shortly before, and then asks for events again and again. It needs
// epoll, which Linux has.
package pacer
