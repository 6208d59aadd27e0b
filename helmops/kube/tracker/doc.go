// Package tracker knows the state of a cluster's objects without asking for it. Per kind in use it keeps one reduced
// watch of everything that Helm manages, and answers existence, ownership and readiness from memory: a wait costs no
// request, and nothing polls.
//
// Of an object only an Entry is kept. Kinds that are judged by their metadata alone are watched as metadata alone, so
// that the content of a Secret never reaches the process.
package tracker
