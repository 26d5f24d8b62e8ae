// Package tools is the module of what is needed to make and check packages. It is a separate Go module, so that Bellhop
// does not depend on these tools: `make package` and `make deploy-check` run them.
package tools
