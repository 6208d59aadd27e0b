// Package ignore decides which files of a source stay out of its archive, by patterns in the format of .gitignore. It
// is pure: the caller reads the files that hold the patterns.
//
//	defaults, then every .sourceignore of the tree, the deepest last   or   files of version control, then spec.ignore
//	                                     the last pattern that matches decides
//
// A scenario: a tree has manifests, pictures and a directory testdata, and testdata/ stands in its .sourceignore.
// Pictures are left out by the defaults, and the directory by its pattern. With spec.ignore set to "/*" and "!/deploy"
// neither counts, and deploy alone is left, with the pictures in it.
package ignore
