package main

func Example() {
	main()
	// Output:
	// the model calls place_order({"item":"rolls","quantity":4})
	// it returns {"number":4711,"total":10}
	// the agent says "Done: {\"number\":4711,\"total\":10}"
}
