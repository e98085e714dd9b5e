module example.com/othermodule

go 1.26.0

require github.com/parley-go/parley v0.0.0

require golang.org/x/sys v0.48.0 // indirect

replace github.com/parley-go/parley => ../..
