// Package receiver has objects looked at when others call: a Git host after a push, a registry after a new tag.
//
//	call ─► find the Receiver by its path ─► rate ─► read the token ─► proof ─► subject of the call ─► annotate objects
//
// Nothing of a call comes into the cluster: it only has the objects that the Receiver names ask their own upstream
// again.
package receiver
