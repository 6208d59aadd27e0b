// Package preview says what a change of a release would do before it is made: objects, fields, restarts, images and
// requests, how risky it is, and a digest by which the change is recognized again. It is pure: it compares manifests
// that an engine has rendered. Nothing that it returns shows the content of a Secret.
package preview
