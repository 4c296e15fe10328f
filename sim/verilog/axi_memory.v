// Behavioural AXI4 memory with exact timing.
//
// Cycles are periods of aclk; a transfer takes place in a cycle where VALID and READY are both 1. Outputs change
// with the clock only. Reads and writes are independent; each side answers in order.
//
//  * AR handshake in cycle t: the burst's first beat is raised in cycle t + read_latency at the earliest, and
//    after the last beat of the burst before it. One beat per cycle.
//  * AW handshake, then W beats: WREADY is 0 while no accepted burst lacks beats. Last W handshake in cycle t:
//    BVALID is raised in cycle t + write_latency at the earliest, after the response before it.
//  * A beat raised in cycle c shows what W handshakes of cycles before c have written.
//  * Stalls: five bit streams indexed by `cycle` modulo their length. A 1 in AR, AW or W keeps that READY low in
//    the cycle; a 1 in R or B keeps a new beat or response from being raised in it. VALID, once raised, stays.
//  * The image begins at the address `base`, a multiple of a beat's bytes.
//  * A beat outside the loaded image is answered with DECERR, one in error_base .. error_last with SLVERR; such
//    beats read as 0 and write nothing. B carries the worst response of its beats.
//  * Bursts are INCR with the full bus width per beat. More than QUEUE bursts hold their READY low.
//
// Files, in the folder of the plusarg +folder, <n> being `image`: memory_<n>.bin is read at a rising edge of
// `load` (each beat's bytes in descending order of addresses), as is stalls_<n>.bin (one byte per cycle, bits 0 to
// 4 for AR, R, AW, W, B; none: no stalls); result_<n>.bin is written at a rising edge of `dump` (bytes ascending).
module axi_memory #(
    parameter ADDRESS_BITS = 40,
    parameter DATA_BITS = 64,
    parameter WORDS = 1024,        // beats of storage
    parameter STALLS = 65536,      // longest stall streams
    parameter QUEUE = 64
) (
    input  wire                     aclk,
    input  wire                     aresetn,
    input  wire [31:0]              cycle,          // index into the stall streams
    input  wire [31:0]              read_latency,   // 1 or more
    input  wire [31:0]              write_latency,  // 1 or more
    input  wire [63:0]              base,
    input  wire [63:0]              error_base,
    input  wire [63:0]              error_last,     // below error_base: none
    input  wire [31:0]              image,
    input  wire                     load,
    input  wire                     dump,
    output reg                      failed,         // a file cannot be read or written, or does not fit

    input  wire [ADDRESS_BITS-1:0]  awaddr,
    input  wire [7:0]               awlen,
    input  wire                     awvalid,
    output wire                     awready,
    input  wire [DATA_BITS-1:0]     wdata,
    input  wire [DATA_BITS/8-1:0]   wstrb,
    input  wire                     wvalid,
    output wire                     wready,
    output reg  [1:0]               bresp,
    output reg                      bvalid,
    input  wire                     bready,
    input  wire [ADDRESS_BITS-1:0]  araddr,
    input  wire [7:0]               arlen,
    input  wire                     arvalid,
    output wire                     arready,
    output reg  [DATA_BITS-1:0]     rdata,
    output reg  [1:0]               rresp,
    output reg                      rlast,
    output reg                      rvalid,
    input  wire                     rready
);
    localparam BYTES = DATA_BITS / 8;
    localparam [1:0] OKAY = 2'd0, SLVERR = 2'd2, DECERR = 2'd3;

    reg [DATA_BITS-1:0] memory [0:WORDS-1];
    reg [7:0] stalls [0:STALLS-1];
    integer words;                                  // beats of the loaded image
    integer stall_length;

    // -- stalls --------------------------------------------------------------------------------------------------
    wire [7:0] stall = stall_length == 0 ? 8'd0 : stalls[cycle % stall_length];
    wire [7:0] stall_next = stall_length == 0 ? 8'd0 : stalls[(cycle + 1) % stall_length];

    // -- queues: entry i lies in slot i % QUEUE ------------------------------------------------------------------
    reg [ADDRESS_BITS-1:0] ar_address [0:QUEUE-1], aw_address [0:QUEUE-1];
    reg [7:0] ar_length [0:QUEUE-1], aw_length [0:QUEUE-1];
    reg [31:0] ar_due [0:QUEUE-1], b_due [0:QUEUE-1];
    reg [1:0] b_response [0:QUEUE-1];
    reg [31:0] ar_head, ar_tail, aw_head, aw_tail, b_head, b_tail;
    reg [31:0] next;                                // number of the cycle that begins with the edge

    reg [ADDRESS_BITS-1:0] r_address, w_address;
    reg [8:0] r_left, w_left;
    reg [1:0] w_response, answer;

    assign arready = aresetn && !stall[0] && ar_tail - ar_head < QUEUE;
    assign awready = aresetn && !stall[2] && aw_tail - aw_head < QUEUE && b_tail - b_head < QUEUE;
    assign wready = aresetn && !stall[3] && aw_tail != aw_head;

    function [63:0] place(input [63:0] address);   // beat within the image; the largest ones lie before it
        place = (address - base) / BYTES;
    endfunction

    function [1:0] response(input [ADDRESS_BITS-1:0] address);
        if (place(address) >= words) response = DECERR;
        else if (address >= error_base && address <= error_last) response = SLVERR;
        else response = OKAY;
    endfunction

    integer i;
    always @(posedge aclk)
        if (!aresetn) begin
            ar_head = 0; ar_tail = 0; aw_head = 0; aw_tail = 0; b_head = 0; b_tail = 0;
            next = 0; r_left = 0; w_left = 0; w_response = OKAY;
            rvalid <= 0; bvalid <= 0; rlast <= 0; rresp <= OKAY; bresp <= OKAY; rdata <= 0;
        end else begin
            next = next + 1;
            // a write beat, before the read that follows
            if (wvalid && wready) begin
                if (w_left == 0) begin
                    w_address = aw_address[aw_head % QUEUE];
                    w_left = aw_length[aw_head % QUEUE] + 9'd1;
                    w_response = OKAY;
                end
                answer = response(w_address);
                if (answer == OKAY)
                    for (i = 0; i < BYTES; i = i + 1)
                        if (wstrb[i]) memory[place(w_address)][8*i +: 8] = wdata[8*i +: 8];
                if (answer > w_response) w_response = answer;
                w_address = w_address + BYTES;
                w_left = w_left - 1;
                if (w_left == 0) begin
                    b_due[b_tail % QUEUE] = next - 1 + write_latency;
                    b_response[b_tail % QUEUE] = w_response;
                    b_tail = b_tail + 1;
                    aw_head = aw_head + 1;
                end
            end
            // addresses
            if (awvalid && awready) begin
                aw_address[aw_tail % QUEUE] = awaddr;
                aw_length[aw_tail % QUEUE] = awlen;
                aw_tail = aw_tail + 1;
            end
            if (arvalid && arready) begin
                ar_address[ar_tail % QUEUE] = araddr;
                ar_length[ar_tail % QUEUE] = arlen;
                ar_due[ar_tail % QUEUE] = next - 1 + read_latency;
                ar_tail = ar_tail + 1;
            end
            // what is raised in the next cycle
            if (!rvalid || rready) begin
                rvalid <= 0;
                if (r_left == 0 && ar_head != ar_tail && ar_due[ar_head % QUEUE] <= next) begin
                    r_address = ar_address[ar_head % QUEUE];
                    r_left = ar_length[ar_head % QUEUE] + 9'd1;
                    ar_head = ar_head + 1;
                end
                if (r_left != 0 && !stall_next[1]) begin
                    answer = response(r_address);
                    rvalid <= 1;
                    rdata <= answer == OKAY ? memory[place(r_address)] : {DATA_BITS{1'b0}};
                    rresp <= answer;
                    rlast <= r_left == 1;
                    r_address = r_address + BYTES;
                    r_left = r_left - 1;
                end
            end
            if (!bvalid || bready) begin
                bvalid <= 0;
                if (b_head != b_tail && b_due[b_head % QUEUE] <= next && !stall_next[4]) begin
                    bvalid <= 1;
                    bresp <= b_response[b_head % QUEUE];
                    b_head = b_head + 1;
                end
            end
        end

    // -- files ---------------------------------------------------------------------------------------------------
    string folder;
    integer file, count, word;
    initial begin
        words = 0;
        stall_length = 0;
        failed = 0;
        if (!$value$plusargs("folder=%s", folder)) folder = ".";
    end

    always @(posedge load) begin
        file = $fopen($sformatf("%s/memory_%0d.bin", folder, image), "rb");
        count = 0;
        if (file != 0) begin
            count = $fread(memory, file);
            if ($fgetc(file) != -1) count = 0;
            $fclose(file);
        end
        words = count / BYTES;
        if (count == 0 || count % BYTES != 0) failed = 1;
        file = $fopen($sformatf("%s/stalls_%0d.bin", folder, image), "rb");
        stall_length = 0;
        if (file != 0) begin
            stall_length = $fread(stalls, file);
            if ($fgetc(file) != -1) failed = 1;
            $fclose(file);
        end
    end

    always @(posedge dump) begin
        file = $fopen($sformatf("%s/result_%0d.bin", folder, image), "wb");
        if (file == 0) failed = 1;
        else begin
            for (word = 0; word < words; word = word + 1) $fwrite(file, "%u", memory[word]);
            $fclose(file);
        end
    end
endmodule
