// Package generator reconciles ArtifactGenerators: it keeps one ExternalArtifact for each artifact that a generator
// declares, deletes the others, and reports what became of them. The artifacts themselves are made like those of any
// source, by controllers/source and controllers/catalog.
//
//	spec.artifacts ─► ExternalArtifacts ─► polls of the source controller ─► their status ─► status of the generator
//
// With spec.pathPattern, the artifacts are templates, of which there is an ExternalArtifact for each directory of a
// source that matches. The catalog reads which directories there are, in a task; while that is not known, and after a failure,
// none is made or deleted.
//
// For example: an artifact is renamed. The generator makes an ExternalArtifact of the new name and deletes the other
// one. It is Ready when the status of the new one is about the present rules and says Ready.
package generator
