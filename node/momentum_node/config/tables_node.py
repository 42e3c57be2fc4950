"""Options of the node itself, its operators and its modules: name | type | default | scopes | meaning."""

GLOBAL = """
Hostname | string | - | G | name in banner, EHLO and trace headers; unset = the host's
Pidfile | string | /var/run/ecelerity.pid | G | file of the process id
SpoolBase | string | /var/spool/ecelerity | G | directory of the spool
Spool_Mode | perms | 0640 | G | mode of spool files
Force_Fsync | bool | true | G | sync before the 250
_Unsafe_Spool | bool | false | G | allow 250 without a spool file
Disk_Queue_Drain_Rate | int 0.. | 100 | G | messages taken from the start-up scan per round
Unlink_On_Spool_In_Failure | bool | false | G | remove spool entries that cannot be read
Memory_Goal | string | 90% | G | memory budget
Memory_HWM | string | 95% | G | above it new mail is refused for a while
Large_Message_Threshold | int 0.. | 131072 | G | bytes from which a body is not kept in memory
Mail_Workers | int 1..16 | - | G | processes that handle mail; unset = CPUs, at most 16 (ours)
Local_Changes_File | string | - | G | file of changes made on the console; loaded last
Local_Changes_Only | bool | false | G | write every change there
MasterDB_File | string | - | G | accepted for compatibility
Scheduler | string | - | G | accepted for compatibility
crypto_lock_method | string | - | G | accepted for compatibility
keep_message_dicts_in_memory | bool | true | G | accepted for compatibility
use_iflist_cache | int 0.. | 0 | G | accepted for compatibility
trace_smtp_mode | perms | 0644 | G | mode of trace files
Debug_Level | enum DEBUG INFO NOTICE WARNING ERROR CRITICAL | ERROR | G | least severity that is logged
"""

SECURITY = """
User | string | ecuser | S | user of the processes that handle mail
Group | string | ecuser | S | group of the processes that handle mail
Capabilities | string | - | S | Linux capabilities kept
Privileges | string | - | S | Solaris privileges; ignored on Linux
Supplemental_Groups | array string | - | S | further groups
Chroot | string | - | S | directory to change the root to
"""

MODULES = """
Enabled | bool | true | module | false = loaded but passive
Debug_Level | enum DEBUG INFO NOTICE WARNING ERROR CRITICAL | ERROR | module | least severity that is logged
allow | array regex multi | - | RO | commands the role may run
deny | array regex multi | - | RO | commands the role may not run
Monitors | array string multi | - | IA | "window seconds,windows"
Monitor | array string multi | - | IA | 2.x spelling of Monitors
log_dir | string | /var/log/ecelerity/audit_series_logs | IA | where series are written
serialize_dir | string | /var/log/ecelerity/audit_series_persist | IA | where series survive a restart
maintenance_interval | seconds | 300 | IA | pause between two clean-ups
Backlog | int 0.. | 1024 | TP | waiting jobs
Concurrency | int 0.. | 0 | TP | threads
Stack_Size | int 0.. | 0 | TP | stack of a thread
"""

LOGGING = """
mainlog | string | /var/log/ecelerity/mainlog.ec | EL CU | destination of the main log
paniclog | string | /var/log/ecelerity/paniclog.ec | EL CU | destination of the panic log
rejectlog | string | /var/log/ecelerity/rejectlog.ec | EL | destination of the reject log
acctlog | string | /var/log/ecelerity/acctlog.ec | EL | destination of the accounting log
importlog | string | - | EL | destination of the import log
mainlog_mode | perms | 0644 | EL CU | mode of the file
paniclog_mode | perms | 0644 | EL CU | mode of the file
rejectlog_mode | perms | 0644 | EL | mode of the file
acctlog_mode | perms | 0644 | EL | mode of the file
acctlog_log_mode | perms | 0644 | EL | documented spelling of acctlog_mode
importlog_mode | perms | 0644 | EL | mode of the file
heartbeat | seconds | 60 | EL BL | pause between heartbeat lines; 0 = off
record_format | enum 3 2.2 2.1 | 3 | EL | version of the line format (ours)
log_receptions | bool | true | EL CU | log receptions
log_deliveries | bool | true | EL CU | log deliveries
log_transient_failures | bool | true | EL BL CU | log transient failures
log_permanent_failures | bool | true | EL CU | log permanent failures
log_rejections | bool | true | EL CU | log rejections
log_errors | bool | true | EL CU | log errors
bouncelog | string | /var/log/ecelerity/bouncelog.ec | BL | destination of the bounce log
bouncelog_mode | perms | 0644 | BL | mode of the file
log_inband_bounces | bool | true | BL | log failures of our own sessions
log_outofband_bounces | bool | true | BL | log bounces that were received
user_string | string | - | BL | appended to each line
concurrency | int 1.. | 1 | CU | threads of the logger
thread_pool | string | - | CU | pool of the logger
namespace | string | custom_logger,sieve | CU | where unknown macros are looked up
sanitize | string | - | CU | what is made safe in a line
log_xfers | bool | true | CU | log hand-overs to another node
Logfile | string | - | LG MN ND | destination with placeholders
File_Mode | perms | 0640 | LG MN ND | mode of new files
Dir_Mode | perms | 0755 | LG MN ND | mode of new directories
Max_Open | int 1.. | 128 | LG | open files
Max_Idle | seconds | 10 | LG | close a file after so much silence
Control_Cache | string | /var/log/eccluster/control.cache | LG | cache of answers
Subscriber | array string | - | LG MN ND | subscriber names to try
TimeZone | string | - | LG | time zone of file names (ours)
"""

REPLICATION_TYPES = (
    "inbound_cidr",
    "outbound_cidr",
    "outbound_domains",
    "outbound_binding_domains",
    "OBTM",
    "OBTC",
    "shared_named_throttles",
    "cache",
    "metrics",
    "eccmgr_metrics",
)

CUSTOM_STAGES = ("reception", "delivery", "transient_failure", "permanent_failure", "rejection", "xfer")

CUSTOM_STAGE = """
{stage}_logfile | string | - | CU | destination of the stage
{stage}_format | string | - | CU | format of the line; setting it switches the stage on
{stage}_log_mode | perms | 0644 | CU | mode of the file
"""

CLUSTER = """
nodename | string | - | C | name of this node
nodeaddr | addr | - | C | address of this node
mbus_daemon | string | 4803 | C | where the group bus listens; deprecated
cluster_group | string | ec_cluster | C | group that agrees on the ownership of addresses
control_group | string | ec_console | C | group of console commands
logs | dict | - | C | log streams offered to the collector
dml | dict | - | C | statistics of the 2.x web interface; ignored
arp_all_hosts | bool | true | C | announce a moved address to everybody
heartbeat_start_delay | seconds | 15 | C | wait after start before heartbeats
heartbeats_per_sec | rate | 1 | C | heartbeats per second
if_check_interval | seconds | 30 | C | pause between two checks of the addresses
if_down_limit | int 1.. | 4 | C | failed checks before a missing address is plumbed again
view_mature_time | seconds | 5 | C | a view unchanged so long is mature
view_balance_interval | seconds | 10 | C | pause between two steps of balancing
view_broadcast_interval | seconds | 0 | C | repeat the announcement of the view; 0 = never
duravip_balance_set_size | int 1.. | 1 | C | addresses per step of balancing
unconditional_rebind | bool | true | C | assign the binding again for every moved message
log_active_interval | seconds | 1 | C | pause of the log shipper between segments
log_idle_interval | seconds | 10 | C | pause of the log shipper when idle
log_group | string | - | C | group that gets the lines of the panic log
tcp_buffer_size | int 0.. | 32768 | C | socket buffers between nodes
subcluster | string | - | C | deprecated
duravip_release_grace | seconds | 5 | C | time for open sessions on an address that is given up (ours)
duravip_probe | bool | true | C | ask the wire before plumbing (ours)
duravip_addr_lifetime | seconds | - | C | lease of plumbed addresses in the kernel; 0 = for ever (ours)
duravip_failback_delay | seconds | 60 | C | stability asked of a returning preferred node (ours)
partition_policy | enum both quorum | both | C | who may own addresses in a split network (ours)
cluster_size | int 1.. | - | C | MTA nodes meant to exist (ours)
max_duravips | int 1.. | 10240 | C | more addresses are an error (ours)
Mmove_Max_Connections | int 1.. | 8 | C | connections that move mail to one node (ours)
Mmove_Throttle_Messages | throttle | 100 | C | messages moved in the background (ours)
interface | string | - | T | network interface of addresses in this network
cidrmask | int 0..128 | - | T | prefix length of the address; unset = one host
type | replication | - | R | what is replicated; unset = the instance name
class | replication | - | R | the type when the name is free
parameters | string | - | R | ;-separated parameters
max_delay | float 0.. | 1.0 | R | longest time a change waits
max_pending | int 1.. | 100 | R | changes that force a flush
max_size | int -1.. | -1 | R | entries of a cache; -1 = no limit
binding_group | string | - | R | count only this group
replication_name | string | - | R | name of a cache in 2.x
"""
